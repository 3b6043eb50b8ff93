"""The clock, on hosts that are no containers, too."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from altpeter_matrix.base.commands import Result
from altpeter_matrix.status import looks
from altpeter_matrix.status.checks import clock
from altpeter_matrix.status.systemd import parse

from .given import Given

Saying = Callable[[str], None]
UNIT = "Id=systemd-timesyncd.service\nLoadState={}\nActiveState={}\nUnitFileState={}\n\n"
ABSENT = "Id=chrony.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"


@pytest.fixture
def saying(monkeypatch: pytest.MonkeyPatch) -> Saying:
    """Has programs print something."""

    def say(text: str) -> None:
        monkeypatch.setattr(clock, "run", lambda *argv, **_options: Result(argv, 0, text, ""))

    return say


@pytest.mark.parametrize(
    ("state", "inside", "faults"),
    [
        (("loaded", "active", "enabled"), False, []),
        (("loaded", "inactive", "enabled"), False, ["clock-service-stopped"]),
        # There its start is skipped.
        (("loaded", "inactive", "enabled"), True, []),
        (("loaded", "inactive", "disabled"), True, ["clock-service-stopped"]),
        (("masked", "inactive", "masked"), True, ["clock-service-stopped"]),
        (("not-found", "inactive", ""), True, []),
        (("not-found", "inactive", ""), False, ["clock-kept-by-nobody"]),
    ],
)
def test_who_keeps_it(
    tmp_path: Path, state: tuple[str, str, str], inside: bool, faults: list[str]
) -> None:
    if inside:
        (tmp_path / "run/systemd").mkdir(parents=True)
        (tmp_path / "run/systemd/container").write_text("systemd-nspawn")
    given = Given({clock.units: parse(UNIT.format(*state) + ABSENT)}, tmp_path)
    assert [one.id for one in clock.kept(given)] == faults


@pytest.mark.parametrize(("answer", "faults"), [("yes", []), ("no", ["clock-not-synchronised"])])
def test_whether_it_was_set(
    saying: Saying,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    answer: str,
    faults: list[str],
) -> None:
    saying(f"{answer}\n")
    monkeypatch.setattr(clock, "_PATIENCE", 0.0)
    assert [one.id for one in clock.synchronised(Given({}, tmp_path))] == faults


def test_what_was_written_in_the_future(tmp_path: Path) -> None:
    given = Given({looks.generation: None}, tmp_path)
    given.paths.outcome.parent.mkdir(parents=True)
    given.paths.outcome.write_text("{}")
    assert list(clock.behind(given)) == []
    later = time.time() + 2 * 86400
    os.utime(given.paths.outcome, (later, later))
    assert [one.id for one in clock.behind(given)] == ["clock-behind"]
