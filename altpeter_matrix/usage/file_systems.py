"""The file systems that hold something of this server."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .model import FileSystem

# A file system as JSON can say it: media are looked at in a process of Synapse's user.
Look = Mapping[str, Any]


def look(path: Path) -> Look | None:
    """The file system that a path is on; None: there is no such path, or no asking."""
    try:
        place = path.resolve(strict=True)
        device = place.stat().st_dev
        state = os.statvfs(place)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return None
    mount = next(one for one in (place, *place.parents) if os.path.ismount(one))
    return {
        "device": device,
        "mount": str(mount),
        "size": state.f_blocks * state.f_frsize,
        "used": (state.f_blocks - state.f_bfree) * state.f_frsize,
        "free": state.f_bavail * state.f_frsize,
        "inodes": state.f_files,
        "inodes_used": state.f_files - state.f_ffree,
    }


def merged(found: Iterable[tuple[str, Look | None]]) -> tuple[FileSystem, ...]:
    """Each file system once, with what is on it. found: what is there, and the look at where."""
    systems: dict[int, FileSystem] = {}
    for what, one in found:
        if one is None:
            continue
        known = systems.get(one["device"])
        if known is None:
            numbers = {key: value for key, value in one.items() if key != "device"}
            systems[one["device"]] = FileSystem(**numbers, holds=(what,))
        elif what not in known.holds:
            systems[one["device"]] = replace(known, holds=(*known.holds, what))
    return tuple(systems.values())
