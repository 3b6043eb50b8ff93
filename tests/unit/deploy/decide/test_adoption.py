"""What of a deploy would change a server that is to be taken over as it is."""

from dataclasses import replace
from typing import Any

import pytest

from tasks.decide import preflight
from tasks.inventory.target import Target
from tasks.observe.host_state import Certificate, HostState
from tests.unit.deploy.decide.hosts import bare, wanted


def told(target: Target, state: HostState) -> str:
    return "\n".join(map(str, preflight.problems(target, state)))


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
