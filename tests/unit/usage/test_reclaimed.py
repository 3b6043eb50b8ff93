"""The history of what was given back is bounded, and readable whatever became of the file."""

from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.base.errors import Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.usage import reclaimed
from altpeter_matrix.usage.reclaimed import Given, Run

RUN = Run(
    "2026-03-31T02:00:00Z", 12.0, (Given("index:x", "index x", 900, 100), Given("t", "t", count=3)),
    (("PostgreSQL", "is full", "free some"),), "time was over",
)  # fmt: skip


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    paths.state.mkdir(parents=True)
    return paths


def test_what_is_noted_is_read_again(paths: Paths) -> None:
    reclaimed.add(paths, RUN)
    assert reclaimed.read(paths) == (RUN,)
    assert RUN.size == 800
    assert paths.reclaimed.stat().st_mode & 0o777 == 0o600


def test_the_oldest_go(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reclaimed, "MOST", 3)
    runs = [replace(RUN, seconds=number) for number in range(5)]
    for one in runs:
        reclaimed.add(paths, one)
    assert reclaimed.read(paths) == tuple(runs[-3:])


def test_what_failed_is_told_until_a_run_succeeds(paths: Paths) -> None:
    assert list(reclaimed.failures(paths)) == []
    reclaimed.add(paths, RUN)
    assert list(reclaimed.failures(paths)) == [Problem("PostgreSQL", "is full", "free some")]
    reclaimed.add(paths, replace(RUN, problems=()))
    assert list(reclaimed.failures(paths)) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"format": 1}', '{"format": 1, "runs": [7]}',
             '{"format": 1, "runs": [{"time": "x", "problems": [["a"]]}]}'],
)  # fmt: skip
def test_a_damaged_file_is_as_none(paths: Paths, text: str) -> None:
    paths.reclaimed.write_text(text)
    assert reclaimed.read(paths) == ()
    reclaimed.add(paths, RUN)
    assert reclaimed.read(paths) == (RUN,)
