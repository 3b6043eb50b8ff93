"""What stops a deploy before it changes anything."""

from dataclasses import replace
from typing import Any

import pytest

from tasks.decide import preflight
from tasks.inventory.target import Target
from tasks.observe.host_state import Certificate, HostState, Listener
from tests.unit.deploy.decide.hosts import bare, wanted
from tests.unit.deploy.fake_deploy import ADDRESS


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


def test_a_mailbox_needs_its_password() -> None:
    email = {"smtp_host": "mail.example.org", "username": "m", "from": "m@example.org"}
    target = wanted(email=email)
    assert "smtp_password_file" in told(target, bare())
    assert target.settings.email is not None
    there = {str(target.settings.email.password_file): "digest"}
    assert told(target, replace(bare(), files=there)) == ""
    assert told(replace(target, smtp_password="secret"), bare()) == ""
