"""Locks: nobody but root can hold one up, every wait ends, and the message names who holds it."""

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from altpeter_matrix.base import locks
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.locks import APPLY, UPGRADE_CHECK, exclusive, locked
from altpeter_matrix.base.paths import Paths

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@contextmanager
def held_by_another(file: Path, user: int | None = None) -> Iterator[int]:
    """The process that holds the lock of a file."""
    with subprocess.Popen(
        ["/usr/bin/python3", "-I", "-S", "-c", HOLD, file.name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, user=user, cwd=file.parent,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process.pid
        process.kill()


def test_nobody_else_can_open_a_lock(paths: Paths) -> None:
    with locked(paths, UPGRADE_CHECK, 1):
        assert paths.locks.stat().st_mode & 0o777 == 0o700
        assert {file.stat().st_mode & 0o777 for file in paths.locks.iterdir()} == {0o600}


def test_a_directory_that_was_opened_is_closed_again(paths: Paths) -> None:
    paths.locks.mkdir(parents=True)
    paths.locks.chmod(0o777)
    with exclusive(paths):
        assert paths.locks.stat().st_mode & 0o777 == 0o700


def test_a_wait_ends_and_names_who_holds_the_lock(paths: Paths) -> None:
    with exclusive(paths):
        pass
    with held_by_another(paths.locks / APPLY) as process:
        began = time.monotonic()
        with pytest.raises(HostError) as raised, exclusive(paths, wait=0.3):
            pass
        assert time.monotonic() - began < 5
    (problem,) = raised.value.problems
    assert f"process {process} (`" in problem.what and "import fcntl" in problem.what
    assert ", since 20" in problem.what and f"`ps {process}`" in problem.remedy


def test_what_a_dead_process_has_noted_is_not_believed(paths: Paths) -> None:
    with exclusive(paths):
        pass
    (paths.locks / APPLY).write_text("1 1700000000\n")
    with (
        held_by_another(paths.locks / APPLY) as process,
        pytest.raises(HostError) as raised,
        exclusive(paths, wait=0),
    ):
        pass
    assert f"process {process} " in str(raised.value) and "since 2023" not in str(raised.value)


def test_the_kernel_drops_the_lock_of_a_killed_process(paths: Paths) -> None:
    with exclusive(paths):
        pass
    with held_by_another(paths.locks / APPLY):
        pass
    with exclusive(paths, wait=0):
        pass


def test_a_program_of_the_version_before_is_waited_for(paths: Paths) -> None:
    paths.runtime.mkdir(parents=True)
    former = paths.runtime / "lock"
    former.touch(0o644)
    with (
        held_by_another(former) as process,
        pytest.raises(HostError, match=f"process {process} "),
        exclusive(paths, wait=0.2),
    ):
        pass
    with exclusive(paths, wait=0), former.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert former.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_the_lock_of_the_version_before_is_not_waited_for_when_a_user_holds_it(
    paths: Paths,
) -> None:
    for directory in (paths.root, *paths.root.parents):
        if "pytest-of-" in str(directory):
            directory.chmod(0o755)
    paths.runtime.mkdir(parents=True)
    former = paths.runtime / "upgrade-check.lock"
    former.touch(0o644)
    with held_by_another(former, user=65534):
        began = time.monotonic()
        with locked(paths, UPGRADE_CHECK, wait=30):
            pass
        assert time.monotonic() - began < 5


def test_a_lock_that_is_held_for_too_long_is_told(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with exclusive(paths):
        assert list(locks.stuck(paths)) == []
        monkeypatch.setattr(locks, "_STUCK_AFTER", {APPLY: -1.0})
        (problem,) = locks.stuck(paths)
        assert f"process {os.getpid()} " in problem.what and "kill" in problem.remedy
    assert list(locks.stuck(paths)) == []
