"""Directories that are named after a moment."""

import stat
import time
from pathlib import Path

import pytest

from altpeter_matrix.base import disk


def test_directories_of_the_same_second_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "strftime", lambda _form: "2026-01-31.120000")
    made = [disk.dated_directory(tmp_path) for _ in range(3)]
    assert [one.name for one in made] == [f"2026-01-31.120000{end}" for end in ("", ".2", ".3")]
    assert {stat.S_IMODE(one.stat().st_mode) for one in made} == {0o700}
