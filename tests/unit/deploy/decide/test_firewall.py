"""The firewall: what is opened and closed, and that SSH always stays."""

from dataclasses import replace

import pytest

from altpeter_matrix.host.ufw import parse_rule
from altpeter_matrix.settings.model import load_settings
from tasks.decide import firewall
from tasks.observe.host_state import Firewall

WANTED = ("22/tcp", "80/tcp", "443/tcp", "8448/tcp")
OURS = b"altpeter-matrix".hex()


def rule(port: str, *, action: str = "allow", source: str = "0.0.0.0/0", comment: str = "") -> str:
    end = f" comment={comment}" if comment else ""
    return f"{action} tcp {port} 0.0.0.0/0 any {source} in{end}"


RIGHT = Firewall(
    installed=True,
    enabled=True,
    denies_incoming=True,
    ipv6=True,
    rules=tuple(rule(port.partition("/")[0], comment=OURS) for port in WANTED),
    live_ports=frozenset(WANTED),
)


def commands(present: Firewall, wanted: tuple[str, ...] = WANTED) -> list[str]:
    return [" ".join(call) for call in firewall.changes(wanted, {22}, present)]


def test_ssh_is_allowed_before_anything_is_closed() -> None:
    told = commands(Firewall())
    assert told[0] == "allow 22/tcp comment altpeter-matrix"
    assert told[-1] == "--force enable"
    assert len(told) == len(WANTED) + 2


def test_nothing_to_do() -> None:
    assert commands(RIGHT) == []


def test_a_rule_that_is_missing_in_the_kernel_is_loaded() -> None:
    half = replace(RIGHT, live_ports=frozenset({"22/tcp"}))
    assert commands(half) == ["reload"]


def test_a_port_that_is_no_longer_wanted_is_closed() -> None:
    assert commands(RIGHT, WANTED[:3]) == ["delete allow 8448/tcp"]


def test_rules_of_the_administrator_stay() -> None:
    mine = replace(RIGHT, rules=(*RIGHT.rules, rule("25"), rule("1234", source="10.0.0.0/8")))
    assert commands(mine) == []


@pytest.mark.parametrize(
    "ssh",
    [rule("22", action="limit"), rule("22", source="198.51.100.0/24")],
    ids=["limited", "from-one-network"],
)
def test_a_stricter_rule_for_ssh_stays_strict_while_it_works(ssh: str) -> None:
    strict = replace(RIGHT, rules=(ssh, *RIGHT.rules[1:]))
    assert commands(strict) == []


def test_a_stricter_rule_for_ssh_is_not_trusted_before_it_was_ever_in_force() -> None:
    off = replace(
        RIGHT, enabled=False, rules=(rule("22", source="198.51.100.0/24"), *RIGHT.rules[1:])
    )
    assert commands(off)[0].startswith("allow 22/tcp")


def test_a_web_port_open_to_one_network_only_is_not_open() -> None:
    narrow = replace(
        RIGHT, rules=(RIGHT.rules[0], rule("80", source="10.0.0.0/8"), *RIGHT.rules[2:])
    )
    assert commands(narrow) == ["allow 80/tcp comment altpeter-matrix"]


@pytest.mark.parametrize(
    ("line", "opens"),
    [
        ("allow any 443 0.0.0.0/0 any 0.0.0.0/0 in", True),
        ("allow tcp 80,443 0.0.0.0/0 any 0.0.0.0/0 in", True),
        ("allow tcp 400:500 0.0.0.0/0 any 0.0.0.0/0 in", True),
        ("allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 Nginx%20HTTPS - in", True),
        ("deny tcp 443 0.0.0.0/0 any 0.0.0.0/0 in", False),
        ("allow udp 443 0.0.0.0/0 any 0.0.0.0/0 in", False),
        ("allow tcp 444 0.0.0.0/0 any 0.0.0.0/0 in", False),
        ("allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 in_eth1", False),
        ("allow tcp 443 0.0.0.0/0 any 0.0.0.0/0 out", False),
    ],
)
def test_forms_of_rules(line: str, opens: bool) -> None:
    parsed = parse_rule(line)
    assert (parsed.opens(443, "tcp") and parsed.open_to_all) is opens


def test_wanted_ports() -> None:
    settings = load_settings(
        {
            "server_name": "example.org",
            "federation": {"port_8448": False},
            "firewall": {"allow": ["3478/udp", "443/tcp"]},
        },
        source="test",
    )
    assert firewall.wanted_ports(settings, {2222, 22}) == (
        "22/tcp", "2222/tcp", "80/tcp", "443/tcp", "3478/udp",
    )  # fmt: skip
