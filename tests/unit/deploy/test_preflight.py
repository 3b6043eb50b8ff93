"""What stops a deploy before it changes anything."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from altpeter_matrix.settings.model import load_settings
from tasks import preflight
from tasks.host_state import Certificate, HostState, Listener
from tasks.observed import parse
from tasks.survey import settings_to_try
from tasks.target import Target
from tests.unit.deploy.fake_deploy import ADDRESS, BARE, observation


def wanted(**settings: Any) -> Target:
    raw = {"server_name": "example.org", "public_name": "matrix.example.org", **settings}
    return Target(
        name="host",
        source="group_data/homeserver.py",
        settings=load_settings(raw, source="group_data/homeserver.py"),
        settings_text="",
        package=Path(),
        package_version="1",
    )


def bare() -> HostState:
    return parse(HostState, observation(BARE).splitlines())


def told(target: Target, state: HostState) -> str:
    return "\n".join(map(str, preflight.problems(target, state)))


def test_nothing_stands_in_the_way_on_a_bare_host() -> None:
    assert told(wanted(), bare()) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"release": {"ID": "debian", "VERSION_CODENAME": "buster"}}, "is not supported; use"),
        ({"release": {"ID": "ubuntu", "VERSION_CODENAME": "noble"}}, "is not supported; use"),
        ({"systemd": False}, "systemd does not run"),
        ({"lock_holder": "apt-get"}, "apt-get holds the lock of the package manager; wait"),
        ({"handmade": ("/etc/matrix-synapse/homeserver.yaml",)}, "write `adopt = True` beside"),
        ({"newer_package": "2.0-1"}, "the host has 2.0-1, which is newer; update the checkout"),
        ({"free_kib": {"/var": 1000}}, "/var: has 0 MiB free, 1500 MiB are needed; free some"),
        ({"free_inodes": {"/": 5}}, "/: has 5 inodes free; free some"),
        ({"listening": (Listener(80, "apache2", "apache2.service"),)}, "systemctl disable --now"),
        ({"listening": (Listener(5432, "docker-proxy", ""),)}, "postgres needs it"),
        ({"listening": (Listener(8008, "python3", "x.service"),)}, "set another listener.port"),
        ({"listening": (Listener(9000, "minio", ""),)}, "set another metrics.port"),
        ({"listening": (Listener(8448, "caddy", ""),)}, "port 8448: is taken by caddy"),
        ({"server_name": "other.org", "users": True}, "can never change once users exist"),
        ({"database_locale": ("de_DE.UTF-8", "de_DE.UTF-8", "UTF8")}, "has collation de_DE"),
        ({"names": {}}, "DNS: example.org: has no address, so no certificate can be had"),
        (
            {"names": {"example.org": frozenset({ADDRESS})}},
            "DNS: matrix.example.org: has no address",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_refused(change: dict[str, Any], words: str) -> None:
    text = told(wanted(), replace(bare(), **change))
    assert all(part in text for part in words.split("; ")), text


def test_a_name_that_leads_elsewhere_too_is_refused() -> None:
    names = {**bare().names, "example.org": frozenset({ADDRESS, "2001:db8::1"})}
    text = told(wanted(), replace(bare(), names=names))
    assert "DNS: example.org: leads to 2001:db8::1, which is not this host (192.0.2.7)" in text
    assert "public_addresses" in text


def test_behind_nat_the_named_address_counts() -> None:
    state = replace(bare(), addresses=frozenset({"10.0.0.5"}))
    target = wanted()
    assert "which is not this host (10.0.0.5)" in told(target, state)
    assert told(replace(target, public_addresses=frozenset({ADDRESS})), state) == ""


@pytest.mark.parametrize("settings", [{"certificates": {"acme": False}}])
def test_without_certbot_dns_is_not_asked(settings: dict[str, Any]) -> None:
    assert told(wanted(**settings), replace(bare(), names={})) == ""


def test_with_a_good_certificate_dns_is_not_asked() -> None:
    target = wanted()
    certificate = Certificate(
        names=frozenset(target.settings.certificate_names),
        valid=True,
        server=target.settings.certificates.directory,
    )
    assert told(target, replace(bare(), names={}, certificate=certificate)) == ""


@pytest.mark.parametrize(
    "listener",
    [
        Listener(80, "nginx", "nginx.service"),
        Listener(8008, "python", "matrix-synapse.service"),
        Listener(5432, "postgres", "postgresql@15-main.service"),
        Listener(25, "exim4", "exim4.service"),
    ],
    ids=lambda listener: listener.program,
)
def test_ports_of_our_own_programs_are_free(listener: Listener) -> None:
    assert told(wanted(), replace(bare(), listening=(listener,))) == ""


def test_a_server_name_may_change_while_there_are_no_users() -> None:
    assert told(wanted(), replace(bare(), server_name="other.org", users=False)) == ""


def test_mail_is_tried_on_the_host_only_when_its_password_is_there() -> None:
    """Otherwise the host would refuse settings whose password comes right after."""
    email = {"smtp_host": "mail.example.org", "username": "m", "from": "m@example.org"}
    text = yaml.safe_dump({"server_name": "example.org", "email": email})
    target = replace(wanted(email=email), smtp_password="secret", settings_text=text)
    assert yaml.safe_load(settings_to_try(target, bare())) == {
        "server_name": "example.org", "email": None,
    }  # fmt: skip
    there = {"/etc/altpeter-matrix/secrets/smtp_password": "digest"}
    assert settings_to_try(target, replace(bare(), files=there)) == text


def test_a_mailbox_needs_its_password() -> None:
    email = {"smtp_host": "mail.example.org", "username": "m", "from": "m@example.org"}
    target = wanted(email=email)
    assert "smtp_password_file" in told(target, bare())
    assert target.settings.email is not None
    there = {str(target.settings.email.password_file): "digest"}
    assert told(target, replace(bare(), files=there)) == ""
    assert told(replace(target, smtp_password="secret"), bare()) == ""


def handmade() -> HostState:
    return replace(bare(), handmade=("/etc/matrix-synapse/homeserver.yaml",))


def test_a_server_set_up_by_hand_is_adopted_when_the_inventory_asks() -> None:
    asked = replace(wanted(), adopt=True)
    assert told(asked, handmade()) == ""
    ssh_elsewhere: dict[str, Any] = {"public_ports": ("2222/tcp",), "sshd_ports": frozenset({2222})}
    assert told(asked, replace(handmade(), **ssh_elsewhere)) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"public_ports": ("22/tcp", "25/tcp"), "sshd_ports": frozenset({22})},
            'firewall.allow: lacks 25/tcp; add "25',
        ),
        (
            {"public_ports": ("2222/tcp",), "sshd_ports": frozenset({22})},
            "firewall.allow: lacks 2222/tcp",
        ),
        ({"shared_sources": ("/etc/apt/sources.list",)}, "sources.list: names Synapse's"),
        ({"certificate": Certificate(server="https://other/")}, 'write "https://other/"'),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_an_adoption_by_the_deploy_changes_nothing_beside(
    change: dict[str, Any], words: str
) -> None:
    text = told(replace(wanted(), adopt=True), replace(handmade(), **change))
    assert all(part in text for part in words.split("; ")), text


def test_a_certificate_of_another_name_may_cover_more() -> None:
    names, directory = wanted().settings.certificate_names, wanted().settings.certificates.directory
    more = Certificate(frozenset({*names, "other.org"}), valid=True, server=directory)
    assert not preflight.certificate_is_right(wanted(), replace(bare(), certificate=more))
    elsewhere = replace(more, lineage="other.org")
    assert preflight.certificate_is_right(wanted(), replace(bare(), certificate=elsewhere))
