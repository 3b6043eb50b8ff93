"""The closing report, and the DNS records it tells about."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from altpeter_matrix.settings.model import load_settings
from tasks.connection.login import LoggedIn
from tasks.inventory.target import Target
from tasks.observe.host_state import HostState
from tasks.observe.observed import parse
from tasks.run import report
from tasks.run.site import Site
from tests.unit.deploy.fake_deploy import ADDRESS, BARE, observation


def site(**settings: Any) -> Site:
    raw = {"server_name": "example.org", "public_name": "matrix.example.org", **settings}
    target = Target(
        name="host",
        source="group_data/homeserver.py",
        settings=load_settings(raw, source="group_data/homeserver.py"),
        settings_text="",
        package=Path(),
        package_version="1",
    )
    state = parse(HostState, observation(BARE).splitlines())
    return Site(target, state, LoggedIn(uid=0, ssh_port=22), {})


def text(of: Site, *changes: str) -> str:
    return click.unstyle("\n".join(report.lines(of, list(changes))))


def test_it_tells_what_was_done_and_where_the_server_is() -> None:
    told = text(site(), "Write the settings", "Make the settings effective")
    assert "done           Write the settings; Make the settings effective" in told
    assert "address        https://matrix.example.org" in told
    assert "administrator  @admin:example.org" in told
    assert "/etc/altpeter-matrix/secrets/administrator_password" in told


@pytest.mark.parametrize(
    ("account", "what"),
    [("deactivated", "is DEACTIVATED, nobody can log in"), ("ordinary", "is an ordinary account")],
)
def test_an_administrator_who_is_none_is_named_with_the_remedy(account: str, what: str) -> None:
    found = site()
    told = text(replace(found, state=replace(found.state, administrator=account)))
    assert what in told
    assert "name another in administrator.username" in told
    assert "administrator_password" not in told


def test_it_tells_when_nothing_was_done() -> None:
    assert "nothing, all was as wanted" in text(site())


def test_every_missing_record_is_named() -> None:
    incomplete = site(certificates={"acme": False})
    state = replace(incomplete.state, names={"example.org": frozenset({ADDRESS})})
    told = text(replace(incomplete, state=state))
    assert f"example.org. 3600 IN A {ADDRESS}  is set" in told
    assert f"matrix.example.org. 3600 IN A {ADDRESS}  is MISSING" in told


def test_service_records_are_looked_for() -> None:
    wanted = site(federation={"delegation": "srv"})
    line = "_matrix-fed._tcp.example.org. 3600 IN SRV 10 5 8448 matrix.example.org.  "
    assert f"{line}is MISSING" in text(wanted)
    found = frozenset({("_matrix-fed._tcp.example.org", "8448 matrix.example.org")})
    state = replace(wanted.state, services=found)
    assert f"{line}is set" in text(replace(wanted, state=state))


def test_documents_for_another_web_server_are_printed() -> None:
    told = text(site(federation={"delegation": "elsewhere"}))
    assert "to publish at  https://example.org/.well-known/matrix/server" in told
    assert '{"m.server": "matrix.example.org:443"}' in told
    assert told.count("Access-Control-Allow-Origin: *") == 2
