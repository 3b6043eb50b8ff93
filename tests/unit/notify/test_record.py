"""What was told outlives reboots, damage, and a full disk."""

import os
from pathlib import Path

import pytest

from altpeter_matrix.base import disk
from altpeter_matrix.base.errors import Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.notify import record
from altpeter_matrix.notify.news import Finding, News
from altpeter_matrix.notify.record import Known, Record, Way

FAULT = Finding("a", "error", Problem("here", "is bad", "repair it"), "recovery.md")
FULL = Record(
    (Known(FAULT, seen=2, gone=1, told=7.5),),
    {"mail to root": Way("refused", (News("new", FAULT, 7.5),))},
    daily=3.0,
    busy=2.0,
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


def test_what_was_written_is_read(paths: Paths) -> None:
    assert record.read(paths) == Record()
    record.write(paths, FULL)
    assert record.read(paths) == FULL
    assert paths.notify_record.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 1, "known": [7], "ways": {}, "daily": 0, "busy": 0}']
)
def test_a_damaged_one_is_noticed_and_begun_anew(paths: Paths, text: str) -> None:
    record.write(paths, FULL)
    paths.notify_record.write_text(text)
    assert record.read(paths) == Record(damaged=True)
    record.write(paths, record.read(paths))
    assert record.read(paths) == Record()


def test_while_the_disk_is_full_it_is_kept_in_run(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a full disk would be told each five minutes."""
    record.write(paths, Record(daily=1))
    replace = disk.replace

    def full(path: Path, *rest: object, **more: object) -> None:
        if path == paths.notify_record:
            raise OSError(28, os.strerror(28))
        replace(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(disk, "replace", full)
    record.write(paths, FULL)
    assert record.read(paths) == FULL
    monkeypatch.undo()
    record.write(paths, Record(daily=2))
    assert record.read(paths) == Record(daily=2)
    assert not (paths.runtime / "notify.json").exists()
