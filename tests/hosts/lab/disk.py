"""A host's disk that can become full: a file system of its own, in memory."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

from .commands import run
from .ledger import Ledger


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
        self._place.mkdir(parents=True, exist_ok=True)
        with self._ledger.making("mount", str(self._place)):
            run("mount", "-t", "tmpfs", "-o", f"mode=755,{self.ROOMY}", "lab-disk", self._place)

    def unmount(self) -> None:
        run("umount", self._place)

    def exhaust(self, what: Scarce) -> None:
        """Leave nothing free, whoever asks for it."""
        while free := self._free(what):
            state = os.statvfs(self._place)
            total = state.f_blocks * state.f_frsize if what is Scarce.BYTES else state.f_files
            # Refused when more is in use meanwhile.
            run("mount", "-o", f"remount,{what.value}={total - free}", self._place, check=False)

    def relieve(self) -> None:
        """As large as before."""
        run("mount", "-o", f"remount,{self.ROOMY}", self._place)

    def _free(self, what: Scarce) -> int:
        state = os.statvfs(self._place)
        return state.f_bfree * state.f_frsize if what is Scarce.BYTES else state.f_ffree
