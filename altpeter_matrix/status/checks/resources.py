"""What the host has left for its programs besides disks: memory, and files that may be open."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ...apply.services import NGINX, SYNAPSE
from ..check import Check
from ..found import Found, found
from ..view import View
from .supervision import programs

_LEAST_MEMORY = 0.04
_MOST_FILES = 0.9
_PROC = Path("/proc")


def memory(view: View) -> Iterator[Found]:
    known = kilobytes((view.paths.on_host("/proc/meminfo")).read_text(encoding="ascii"))
    total = known.get("MemTotal", 0)
    left = known.get("MemAvailable", 0) + known.get("SwapFree", 0)
    if total and left < total * _LEAST_MEMORY:
        yield found("memory-used-up", least=f"{_LEAST_MEMORY:.0%}")


def kilobytes(text: str) -> dict[str, int]:
    """Of /proc/meminfo."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) == 3 and row[2] == "kB"}


def open_files(view: View) -> Iterator[Found]:
    units = view.shared(programs)
    for program in (NGINX, SYNAPSE):
        unit = units[program]
        if unit.runs and any(map(uses_up_its_files, _processes(unit.process))):
            yield found(f"{program}-files-used-up", unit=unit.name, most=f"{_MOST_FILES:.0%}")


def _processes(main: int) -> list[Path]:
    """A process and its children: nginx's workers have the connections."""
    place = _PROC / str(main)
    try:
        children = (place / f"task/{main}/children").read_text(encoding="ascii").split()
    except OSError:
        children = []
    return [place, *(_PROC / child for child in children)]


def uses_up_its_files(place: Path) -> bool:
    """Whether a process, by its directory in /proc, has nearly as many files open as it may."""
    try:
        opened = len(os.listdir(place / "fd"))
        limits = (place / "limits").read_text(encoding="ascii")
    except OSError:
        return False  # it has ended
    match = re.search(r"^Max open files\s+(\d+)", limits, re.MULTILINE)
    return match is not None and opened >= int(match[1]) * _MOST_FILES


CHECKS = (
    Check("memory", memory, ("memory-used-up",), before_adoption=True),
    Check(
        "open files",
        open_files,
        (f"{NGINX}-files-used-up", f"{SYNAPSE}-files-used-up"),
        unless=("systemd-missing",),
    ),
)
