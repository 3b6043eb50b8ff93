"""How sudo gets its password: on the stdin of each command, before what the command reads."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import StringCommand
from pyinfra.api.hiddenvalue import HiddenValue
from pyinfra.connectors.util import CommandOutput

from tasks.connection.stdin import HiddenInput
from tasks.connection.sudo import with_password
from tasks.run.errors import Refused
from tests.unit.deploy.fake_deploy import (
    BARE,
    SETTINGS_DATA,
    Run,
    answers,
    fake_state,
    package_file,
    run,
)

PASSWORD = "correct horse'; battery"
# Takes a line as sudo does, and says what it was.
SUDO = """#!/bin/sh
IFS= read -r password
echo "password: $password"
while [ "${1#-}" != "$1" ]; do [ "$1" = -p ] && shift; shift; done
exec "$@"
"""


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    """A host's data in the inventory."""
    return {"matrix": dict(SETTINGS_DATA), "package": str(package_file(tmp_path))}


def deploy(
    data: Mapping[str, Any], *, asks: bool = True, taken: bool = True, flag: str | None = None
) -> Run:
    """To a host whose sudo asks, and takes the password or not."""
    with fake_state({"bare": data}) as state:
        state.config.SUDO_PASSWORD = flag
        for host in state.inventory:
            answers(
                host,
                BARE,
                **{"read -r left": {"success": taken, "stderr": "sudo: 1 saisie incorrecte"}},
            )
            host.connector.data["fake_responses"] = {
                **host.connector.data["fake_responses"],
                "SSH_CONNECTION": f"1000\n22\ndebian\n{'asks' if asks else ''}",
            }
        return run(state)


@pytest.mark.parametrize("by", ["file", "hidden", "flag"])
def test_every_command_is_run_by_a_sudo_that_reads_the_password(
    data: dict[str, Any], tmp_path: Path, by: str
) -> None:
    file = tmp_path / "password"
    file.write_text(f"\N{BYTE ORDER MARK}{PASSWORD}\r\n")
    ways: dict[str, dict[str, Any]] = {
        "file": {"sudo_password_file": str(file)},
        "hidden": {"sudo_password": HiddenValue(PASSWORD)},
        "flag": {},
    }
    data |= ways[by]
    told = deploy(data, flag=PASSWORD if by == "flag" else None).commands
    login, *others = (command for command in told if not command.startswith("rm "))
    assert not login.startswith("sudo")
    assert len(others) > 10
    assert [one for one in others if not one.startswith("sudo -H -S -k -p '' sh -c ")] == []
    assert [one for one in told if PASSWORD in one or "battery" in one] == []


def test_where_sudo_does_not_ask_nothing_gets_the_password(data: dict[str, Any]) -> None:
    told = deploy(data, asks=False, flag=PASSWORD).commands
    assert [one for one in told if one.startswith("sudo -H -S") or "battery" in one] == []


def test_a_password_that_sudo_does_not_take_stops(data: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"saisie incorrecte.*correct the password"):
        deploy({**data, "sudo_password": HiddenValue("wrong")}, taken=False)


def test_without_a_password_nobody_is_asked_where_there_is_no_terminal(
    data: dict[str, Any],
) -> None:
    with pytest.raises(Refused, match="without a password for sudo; name a file"):
        deploy(data)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"_sudo_password": PASSWORD}, "_sudo_password .*process list"),
        ({"sudo_password": PASSWORD}, "sudo_password .*plain text"),
        ({"sudo_password_file": "/no/such/file"}, "sudo_password_file .*cannot be read"),
    ],
)
def test_what_would_show_the_password_is_refused(
    data: dict[str, Any], wrong: dict[str, str], said: str
) -> None:
    with pytest.raises(Refused, match=said) as refused:
        deploy({**data, **wrong})
    assert PASSWORD not in str(refused.value)


def test_the_command_reads_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sudo = tmp_path / "sudo"
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    seen = []

    def execute(
        command: StringCommand, _output: bool, _input: bool, **arguments: Any
    ) -> tuple[bool, CommandOutput]:
        assert arguments.pop("_shell_executable") is None
        text = "".join(f"{line}\n" for line in arguments.pop("_stdin").readlines())
        assert arguments == {"_timeout": 5}
        argv = ["sh", "-c", command.get_raw_value()]
        seen.append(subprocess.run(argv, input=text, capture_output=True, text=True, check=True))
        return True, CommandOutput([])

    with_password(execute, PASSWORD)(
        StringCommand('pwd; echo "$WORD"; cat'),
        _sudo=True, _sudo_password="another", _stdin=HiddenInput("one\n\ntwo\n"),
        _env={"WORD": "it's"}, _chdir="/usr", _timeout=5,
    )  # fmt: skip
    assert seen[0].stdout == f"password: {PASSWORD}\n/usr\nit's\none\n\ntwo\n"
