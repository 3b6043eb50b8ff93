"""One program fed by another: a part of what the first had to say is never taken for all of it."""

import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from altpeter_matrix.backup.processes import Flow, Program, attended, fed
from altpeter_matrix.base.errors import HostError, Problem

KEEP = "import sys; data = sys.stdin.buffer.read(); open(sys.argv[1], 'wb').write(data)"


def nothing() -> None:
    """Nothing ends the work."""


def through(source: str, target: Path, *, expected: str = "", keep: str = KEEP) -> Flow:
    """What a source says, into a file."""
    with (
        Program([sys.executable, "-c", source], {}) as speaking,
        Program(
            [sys.executable, "-c", keep, str(target)], {}, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        ) as writing,
    ):  # fmt: skip
        return fed(speaking, writing, nothing, expected)


def test_all_of_it_arrives(tmp_path: Path) -> None:
    target = tmp_path / "file"
    flow = through("print('x' * 3_000_000, end='')", target)
    content = b"x" * 3_000_000
    assert target.read_bytes() == content
    assert flow == Flow(len(content), sha256(content).hexdigest())


@pytest.mark.parametrize("end", ["sys.exit(1)", "os.kill(os.getpid(), 9)"])
def test_half_a_dump_never_becomes_a_snapshot(tmp_path: Path, end: str) -> None:
    """The program that keeps it is ended before it learns that there is no more."""
    target = tmp_path / "file"
    source = f"import os, sys; print('half', flush=True); print('why', file=sys.stderr); {end}"
    with pytest.raises(HostError, match="failed with status"):
        through(source, target)
    assert not target.exists()


def test_what_is_not_what_was_expected_is_not_taken(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with pytest.raises(HostError, match="damaged"):
        through("print('flipped')", target, expected=sha256(b"good\n").hexdigest())
    assert not target.exists()


def test_a_failing_reader_says_why(tmp_path: Path) -> None:
    keep = "import sys; sys.stdin.read(1); sys.exit('no room left')"
    with pytest.raises(HostError, match="no room left"):
        through("print('x' * 9_000_000)", tmp_path / "file", keep=keep)


def test_a_reader_that_has_all_it_needs_may_end_first(tmp_path: Path) -> None:
    keep = "import sys; sys.stdin.read(1)"
    assert through("print('x' * 9_000_000)", tmp_path / "file", keep=keep).size == 9_000_001


def test_what_watches_ends_the_work_and_the_program() -> None:
    def full() -> None:
        raise HostError(Problem("/srv", "is full", "free some space"))

    began = time.monotonic()
    with pytest.raises(HostError, match="is full"):
        attended([sys.executable, "-c", "import time; time.sleep(60)"], {}, full)
    assert time.monotonic() - began < 20


def test_a_program_that_is_missing_is_named() -> None:
    with pytest.raises(HostError, match="no-such-program: cannot be started"):
        attended(["no-such-program"], {}, nothing)
