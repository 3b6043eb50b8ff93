"""A control group per machine: whatever a machine starts can be found and killed as one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from .errors import LabError, LabUnavailable


@cache
def hierarchies() -> tuple[Path, ...]:
    """Return the mount points to make groups in: version 2, and systemd's own of version 1."""
    found: list[Path] = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words, _, tail = line.partition(" - ")
        kind, _, options = tail.split()[:3]
        path = Path(words.split()[4])
        if kind == "cgroup2":
            found.insert(0, path)
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            found.append(path)
    if not found or not (found[0] / "cgroup.procs").exists():
        raise LabUnavailable("no cgroup2 file system is mounted: the lab's machines need it")
    return tuple(found)


def create(name: str) -> None:
    """Make the group in every hierarchy."""
    for hierarchy in hierarchies():
        (hierarchy / name).mkdir()


def enter(name: str) -> None:
    """Move the calling process into the group."""
    for hierarchy in hierarchies():
        (hierarchy / name / "cgroup.procs").write_text(str(os.getpid()))


def processes(name: str) -> set[int]:
    """Return the ids of all processes in the group and below it."""
    return {
        int(word)
        for hierarchy in hierarchies()
        for group in _tree(hierarchy / name)
        for word in _read(group / "cgroup.procs").split()
    }


def kill(name: str, timeout: float = 20) -> None:
    """SIGKILL everything in the group, and return when nothing is left."""
    end = time.monotonic() + timeout
    while alive := processes(name):
        if time.monotonic() > end:
            raise LabError(f"processes {sorted(alive)} of {name} survive SIGKILL")
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def remove(name: str) -> None:
    """Kill what runs in the group and remove it; a group that is not there is fine."""
    kill(name)
    for hierarchy in hierarchies():
        for group in sorted(_tree(hierarchy / name), reverse=True):
            for _ in range(50):
                with suppress(OSError):
                    group.rmdir()
                if not group.exists():
                    break
                time.sleep(0.02)
            else:
                raise LabError(f"cannot remove the control group {group}")


def _tree(top: Path) -> Iterator[Path]:
    if top.is_dir():
        yield top
        with suppress(FileNotFoundError):
            for child in sorted(top.iterdir()):
                if child.is_dir():
                    yield from _tree(child)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        # The group vanished, or is of a kind that cannot hold processes.
        return ""
