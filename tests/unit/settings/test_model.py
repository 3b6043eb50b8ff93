"""Good settings: what they mean once they are read."""

import json
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.base.resources import resource
from altpeter_matrix.settings.checks import CHECKS
from altpeter_matrix.settings.model import Email, load_settings

from ..samples import DELEGATED, WIKI, settings

TOP = Path(__file__).resolve().parents[3]
SCHEMA = json.loads(resource("settings.schema.json").read_text())


def schema_nodes(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every subschema that describes one setting, with its name."""
    for name, child in node.get("properties", {}).items():
        yield name, child
        yield from schema_nodes(child)
    if "items" in node:
        yield from schema_nodes(node["items"])


def test_the_server_name_alone_is_enough() -> None:
    found = settings("server_name: example.org")
    assert found.public_name == "example.org"
    assert found.certificate_names == ("example.org",)
    assert found.email is None
    assert found.administrator is not None
    assert found.administrator.username == "admin"


def test_the_defaults_are_the_schemas() -> None:
    found = settings("server_name: example.org")
    assert found.uploads.max_size == 50 * 1024 * 1024
    assert found.media.remote_retention == "90d"
    assert found.media.local_retention is None
    assert found.federation.trusted_key_servers == ("matrix.org",)
    assert (found.listener.port, found.metrics.port) == (8008, 9000)
    assert found.synapse_repository.key_url == (
        "https://packages.matrix.org/debian/matrix-org-archive-keyring.gpg"
    )


def test_the_wiki_pages_server_can_be_written_down() -> None:
    found = settings(WIKI)
    assert found.certificate_names == ("matrix.altpeter.me", "altpeter.me")
    assert found.uploads.max_size == 2 * 1024**3
    assert found.report_stats is True
    assert isinstance(found.email, Email)
    assert (found.email.smtp_port, found.email.security) == (587, "starttls")


def shipped(file: str) -> dict[str, Any]:
    """What a Python file of the checkout defines."""
    return runpy.run_path(str(TOP / file))


def test_the_owners_inventory_is_the_wiki_pages_server() -> None:
    (group,) = (name for name in shipped("inventory.py") if not name.startswith("__"))
    found = load_settings(shipped(f"group_data/{group}.py")["matrix"], source=group)
    # All but the mailbox, whose password the owner has.
    assert replace(settings(WIKI), email=None) == found


def test_the_example_for_anybody_is_good() -> None:
    for inventory in ("inventory.py", "local.py"):
        assert "homeserver" in shipped(f"examples/{inventory}")
    data = shipped("examples/group_data/homeserver.py")
    assert load_settings(data["matrix"], source="examples").server_name == "example.org"


def test_a_delegated_server_covers_both_names() -> None:
    assert settings(DELEGATED).certificate_names == ("matrix.example.org", "example.org")


def test_a_server_name_answered_elsewhere_is_not_in_the_certificate() -> None:
    found = settings(DELEGATED + "federation: {delegation: elsewhere}")
    assert found.certificate_names == ("matrix.example.org",)


def test_host_names_are_lower_case_whatever_was_written() -> None:
    found = settings(
        "server_name: Example.ORG\npublic_name: Matrix.Example.org\naliases: [Chat.Example.Org]"
    )
    assert (found.server_name, found.public_name) == ("example.org", "matrix.example.org")
    assert found.aliases == ("chat.example.org",)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_mail_port_follows_the_kind_of_encryption(security: str, port: int) -> None:
    found = settings(
        f"server_name: a.org\nemail: {{smtp_host: localhost, from: x@a.org, security: {security}}}"
    )
    assert found.email is not None
    assert found.email.smtp_port == port


def test_group_data_may_hold_tuples() -> None:
    found = load_settings({"server_name": "a.org", "aliases": ("b.org",)}, source="group_data")
    assert found.aliases == ("b.org",)


def test_loading_does_not_change_what_it_was_given() -> None:
    given = {"server_name": "a.org", "federation": {}}
    load_settings(given, source="group_data")
    assert given == {"server_name": "a.org", "federation": {}}


@pytest.mark.parametrize(
    ("written", "size"),
    [("1", 1), ("500K", 500 * 1024), ("50M", 50 * 1024**2), ("2G", 2 * 1024**3)],
)
def test_sizes_count_in_powers_of_1024(written: str, size: int) -> None:
    found = settings(f'server_name: a.org\nuploads: {{max_size: "{written}"}}')
    assert found.uploads.max_size == size


def test_every_setting_is_described() -> None:
    undescribed = [name for name, node in schema_nodes(SCHEMA) if not node.get("description")]
    assert undescribed == []


def test_no_pattern_of_the_schema_lets_a_line_end_through() -> None:
    """To Python `$` also stands before a last newline: formats match the whole text instead."""
    assert '"pattern"' not in resource("settings.schema.json").read_text()


def test_every_format_of_the_schema_is_checked() -> None:
    text = resource("settings.schema.json").read_text()
    formats = {
        line.split('"format": "')[1].split('"')[0]
        for line in text.splitlines()
        if '"format": "' in line
    }
    assert formats == set(CHECKS)


def test_every_default_and_example_of_the_schema_passes_its_own_check() -> None:
    checked = 0
    for name, node in schema_nodes(SCHEMA):
        values = [*node.get("examples", []), *([node["default"]] if "default" in node else [])]
        for value in values:
            if isinstance(value, str) and "format" in node:
                CHECKS[node["format"]](value)
                checked += 1
            elif "enum" in node:
                assert value in node["enum"], name
                checked += 1
    assert checked > 10
