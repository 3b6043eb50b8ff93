"""A host's disk: a file system of its own, in memory, that can become full."""

from __future__ import annotations

import os
import time
from enum import Enum
from pathlib import Path

from .commands import run
from .errors import LabError
from .ledger import Ledger

# What must be left for processes, and for what hosts that exist already will write: up to 800 MB.
SPARE = 6 * 1024**3


def fits_in_memory() -> bool:
    """Whether a further host may write to memory. Where a package has ten thousand files, a disk's
    file system takes several times the processor time, and as much again to remove them."""
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(row[1]) for row in rows if row[0] == "MemAvailable:") * 1024 > SPARE


class Scarce(Enum):
    """What there is no more of; the value is tmpfs's mount option for it."""

    BYTES = "size"
    INODES = "nr_inodes"


class Disk:
    """Mounted at ``place`` on the controller; what a host writes goes to ``upper``."""

    # A limit can be changed later, but none cannot become one.
    ROOMY = "size=6g,nr_inodes=1000000"

    def __init__(self, place: Path, ledger: Ledger) -> None:
        self._place = place
        self._ledger = ledger
        self.upper = place / "upper"
        self.work = place / "work"

    def mount(self) -> None:
        with self._ledger.making("mount", str(self._place)):
            self._place.mkdir(parents=True, exist_ok=True)
            run("mount", "-t", "tmpfs", "-o", f"mode=755,{self.ROOMY}", "lab-disk", self._place)

    def unmount(self) -> None:
        run("umount", self._place)

    def exhaust(self, what: Scarce) -> None:
        """Leave nothing free, whoever asks for it; raises when that takes more than 30 s."""
        end = time.monotonic() + 30
        while True:
            total, free = self._room(what)
            if not free:
                return
            # Refused when more is in use meanwhile.
            done = run(
                "mount", "-o", f"remount,{what.value}={total - free}", self._place, check=False
            )
            if time.monotonic() > end:
                raise LabError(f"{self._place} cannot be filled: {done.stderr or f'{free} free'}")

    def relieve(self) -> None:
        """As large as before."""
        run("mount", "-o", f"remount,{self.ROOMY}", self._place)

    def _room(self, what: Scarce) -> tuple[int, int]:
        """All there is, and what is free of it."""
        state = os.statvfs(self._place)
        if what is Scarce.INODES:
            return state.f_files, state.f_ffree
        return state.f_blocks * state.f_frsize, state.f_bfree * state.f_frsize
