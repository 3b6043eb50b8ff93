"""A generation that does not serve is taken back."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from altpeter_matrix.apply import services
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base import commands
from altpeter_matrix.base.errors import ActivationError, HostError, Problem

from ..active_files import current, settings, whats
from ..fake_host import FakeHost
from ..host_fixtures import serving

__all__ = ["serving"]


def unhealthy_once() -> Callable[..., list[Problem]]:
    answers = iter([[Problem("https://matrix", "answers 502", "look")]])
    return lambda *_args, **_options: next(answers, [])


def test_an_unhealthy_generation_is_taken_back(serving: FakeHost) -> None:
    settings(serving, "presence: false\n")
    with pytest.raises(ActivationError, match="generation 1 is active again"):
        apply(replace(serving.host, probe=unhealthy_once()))
    assert current(serving) == "1"
    assert serving.actions() == ["restart matrix-synapse.service"] * 2
    loaded = serving.paths.loaded("synapse").read_text()
    assert loaded == (serving.paths.current / "synapse/fingerprint").read_text()
    assert not (serving.paths.generations / "2").exists()


def test_packages_do_not_repeat_what_was_taken_back(serving: FakeHost) -> None:
    settings(serving, "presence: false\n")
    with pytest.raises(ActivationError):
        apply(replace(serving.host, probe=unhealthy_once()))
    serving.forget_calls()
    report = apply(serving.host, from_postinst=True)
    assert "nothing was applied" in whats(report.notices)
    assert serving.actions() == []
    assert apply(serving.host).generation == 2, "a person may try again"


@pytest.mark.parametrize("journal", ["quick", "slow"])
def test_a_service_that_does_not_start_is_taken_back(
    serving: FakeHost, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that does not answer in time must not hide it."""
    if journal == "slow":

        def run(program: str, *arguments: str, **options: Any) -> commands.Result:
            if program == "journalctl":
                raise HostError(Problem(program, "did not end within 60 s", ""))
            return commands.run(program, *arguments, **options)

        monkeypatch.setattr(services, "run", run)
    settings(serving, "presence: false\n")
    serving.write(
        "fake-bin/systemctl",
        (serving.root / "fake-bin/systemctl")
        .read_text()
        .replace("start | restart |", 'restart) if grep -q "generations/2" <<-X\n'
                 '$(readlink "$FAKE_ROOT/var/lib/altpeter-matrix/current")\nX\n'
                 'then echo "Job failed" >&2; exit 1; fi ;;&\n    start | restart |')
        .replace("#!/bin/sh", "#!/bin/bash"),
        0o755,
    )  # fmt: skip
    with pytest.raises(ActivationError, match=r"did not restart.*generation 1 is active again"):
        apply(serving.host)
    assert current(serving) == "1"


def test_ctrl_c_while_a_service_restarts_leaves_the_old_state(serving: FakeHost) -> None:
    settings(serving, "presence: false\n")

    def interrupt(*_args: object, **_options: object) -> list[Problem]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(replace(serving.host, probe=interrupt))
    assert current(serving) == "1"
    assert serving.actions() == ["restart matrix-synapse.service"] * 2
