"""A deploy that takes over a server which was set up by hand."""

from collections.abc import Mapping
from typing import Any

import pytest

from tasks.run.errors import Refused
from tests.unit.deploy.fake_deploy import (
    Run,
    answers,
    deployed,
    fake_state,
    run,
)
from tests.unit.deploy.runs import data

__all__ = ["data"]


def adopting(data: Mapping[str, Any], said: str) -> Run:
    """On a host with a server that was set up by hand, whose rehearsal says this."""
    with fake_state({"old": {**data, "adopt": True}}) as state:
        [host] = state.inventory
        sections = {
            **deployed(host),
            "packages": "matrix-synapse-py3 install ok installed 1",
            "files": "",
            "tool": "",
            "nginx-default": "enabled",
            "handmade": "/etc/matrix-synapse/homeserver.yaml",
            "other-sources": "alone /etc/apt/sources.list.d/matrix.list",
        }
        answers(host, sections, **{"adopt.rehearsal": said})
        return run(state)


def test_a_server_set_up_by_hand_is_adopted_between_installation_and_apply(
    data: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    commands = adopting(data, "example.org can be adopted.\nexit 0").commands
    steps = ("mv -T /etc/apt/sources.list.d/matrix.list", "matrix-org.sources.new", "REPAIR=no",
             "altpeter-matrix adopt", "altpeter-matrix apply")  # fmt: skip
    looking = ("adopt.rehearsal", "tell database")
    text = "\n".join(one for one in commands if not any(word in one for word in looking))
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
    assert "certbot certonly" not in text and "sites-enabled/default &&" not in text
    assert "can be adopted" in capsys.readouterr().err


def test_what_cannot_be_carried_stops_the_deploy_before_its_first_operation(
    data: dict[str, Any],
) -> None:
    said = "error: settings.yaml: aliases: lacks a.example; add it\nexit 1"
    with pytest.raises(Refused, match=r"aliases: lacks a\.example; add it"):
        adopting(data, said)


def test_a_rehearsal_that_breaks_is_no_consent(data: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="ModuleNotFoundError"):
        adopting(data, "ModuleNotFoundError: No module named 'jinja2'\nexit 1")
