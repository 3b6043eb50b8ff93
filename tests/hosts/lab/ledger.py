"""What a lab has made on this machine, written down *before* it is made.

A run that ends by ``kill -9`` leaves its ledger behind; the next run of the same lab reads it and
removes exactly what it names. Every name carries the run's own random token, so nothing that
somebody else made can be meant.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import cgroups, connections, kernel
from .commands import run
from .errors import LabError


class Ledger:
    """An append-only list of (kind, name), kept on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.RLock()
        self._closed = False

    def add(self, kind: str, name: str) -> None:
        """Write down that something is about to be made."""
        if kind not in REMOVE:
            raise LabError(f"the ledger knows no {kind}")
        with self._guard:
            if self._closed:
                raise LabError(f"the lab is closed, so no {kind} {name} is made any more")
            with self._path.open("a") as file:
                file.write(json.dumps([kind, name]) + "\n")
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def making(self, kind: str, name: str) -> Iterator[None]:
        """Make it within this: `close` waits meanwhile, or it would be made after all is undone."""
        with self._guard:
            self.add(kind, name)
            yield

    def close(self) -> None:
        """From now on nothing is made: threads may still be at work when their lab is closed."""
        with self._guard:
            self._closed = True

    def entries(self) -> list[tuple[str, str]]:
        """Return what was written down, oldest first, without repetitions."""
        found: dict[tuple[str, str], None] = {}
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                # A run killed while it wrote leaves half a line: what it names was never made.
                with suppress(ValueError):
                    kind, name = json.loads(line)
                    found[(str(kind), str(name))] = None
        return list(found)

    def undo(self) -> list[str]:
        """Remove everything, newest first; return what could not be removed, and keep those."""
        failed = []
        for kind, name in reversed(self.entries()):
            try:
                REMOVE[kind](name)
            except LabError as error:
                failed.append(f"{kind} {name}: {error}")
        if not failed:
            self._path.unlink(missing_ok=True)
        return failed


def _remove_mount(path: str) -> None:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    if any(line.split()[4] == path for line in mounts):
        run("umount", "--lazy", path)


def _remove_bridge(name: str) -> None:
    if Path("/sys/class/net", name).exists():
        run("ip", "link", "delete", name)


def _remove_table(name: str) -> None:
    # One transaction that succeeds whether or not the table is there: no look before, no race.
    run("nft", "--file", "-", input=f"add table inet {name}\ndelete table inet {name}\n")


def _remove_directory(name: str) -> None:
    if Path(name).is_dir():
        shutil.rmtree(name)


REMOVE = {
    "bridge": _remove_bridge,
    "cgroup": cgroups.remove,
    "connections": connections.remove,
    "directory": _remove_directory,
    "kernel settings": kernel.release,
    "mount": _remove_mount,
    "nft table": _remove_table,
}
