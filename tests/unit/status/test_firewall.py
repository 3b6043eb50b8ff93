"""The firewall, as `status` judges it."""

from pathlib import Path

import pytest

from altpeter_matrix.host import ufw
from altpeter_matrix.settings.model import load_settings
from altpeter_matrix.status import looks
from altpeter_matrix.status.checks import firewall
from altpeter_matrix.status.checks.firewall import Family, Firewall

from .given import Given

SETTINGS = load_settings({"server_name": "example.org"}, source="test")
TUPLE = "### tuple ### {} tcp {} 0.0.0.0/0 any {} in\n"
LIVE = frozenset({"22/tcp", "80/tcp", "443/tcp", "8448/tcp"})


def rules(*given: str) -> tuple[ufw.Rule, ...]:
    """`allow 443`, from everywhere or from an address."""
    words = (f"{one} 0.0.0.0/0".split()[:3] for one in given)
    return tuple(ufw.rules("".join(TUPLE.format(*one) for one in words)))


RIGHT = ("allow 22", "allow 80", "allow 443", "allow 8448")


def view(root: Path, *given: str, live: frozenset[str] = LIVE) -> Given:
    (root / "var/lib/altpeter-matrix/deploy").mkdir(parents=True)
    state = Firewall(True, True, (Family("IPv4", rules(*given), live),))
    return Given({looks.settings: SETTINGS, firewall.firewall: state}, root)


def told(found: object) -> list[str]:
    return [
        f"{one.id} {dict(one.values).get('command', '')}".strip()
        for one in found  # type: ignore[attr-defined]
    ]


def test_what_is_right(tmp_path: Path) -> None:
    given = view(tmp_path, *RIGHT)
    assert not [*firewall.ports(given), *firewall.inside(given)]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (RIGHT[:3], ["firewall-closes-port ufw allow 8448/tcp"]),
        (
            ("deny 443", *RIGHT),
            ["firewall-closes-port ufw delete deny 443/tcp && ufw allow 443/tcp"],
        ),
        # Some address only, which says nothing about the others.
        (("deny 443 192.0.2.1", *RIGHT), []),
        (("allow 443 192.0.2.1", "allow 80", "allow 8448"),
         ["firewall-closes-port ufw allow 443/tcp"]),
    ],
)  # fmt: skip
def test_ports_that_have_to_be_open(
    tmp_path: Path, given: tuple[str, ...], found: list[str]
) -> None:
    assert told(firewall.ports(view(tmp_path, *given))) == found


def test_what_the_kernel_lacks(tmp_path: Path) -> None:
    given = view(tmp_path, *RIGHT, live=LIVE - {"443/tcp"})
    assert told(firewall.ports(given)) == ["firewall-not-loaded"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("allow 22",), []),
        (("limit 22 192.0.2.1",), []),
        (("allow 80",), ["firewall-closes-ssh ufw allow 22/tcp"]),
        (("deny 22",), ["firewall-closes-ssh ufw delete deny 22/tcp && ufw allow 22/tcp"]),
    ],
)
def test_the_way_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], found: list[str]
) -> None:
    monkeypatch.setattr(firewall, "_ssh_ports", lambda: [22])
    assert told(firewall.ssh(view(tmp_path, *given))) == found


def test_what_is_for_this_host_alone(tmp_path: Path) -> None:
    given = view(tmp_path, *RIGHT, "allow 5432", "allow 9000 192.0.2.1")
    assert told(firewall.inside(given)) == [
        "firewall-opens-internal-port ufw delete allow 5432/tcp"
    ]


def test_where_no_deploy_was_nothing_is_asked(tmp_path: Path) -> None:
    given = Given({looks.settings: SETTINGS}, tmp_path)
    for check in firewall.CHECKS:
        assert list(check.look(given)) == []
