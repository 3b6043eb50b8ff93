"""Whether there is room for a backup's database beside the one that serves."""

import shutil

from ..base.errors import HostError, Problem
from ..base.paths import Paths
from .manifest import Manifest

_MIB = 1024**2
# Indexes are built anew, which takes room of its own; and the others of that disk need some.
_FACTOR, _RESERVE = 1.2, 512 * _MIB


def require_room_for(paths: Paths, described: Manifest, copies: int = 1) -> None:
    """HostError when there is none. copies: how many there are at once."""
    wanted = paths.on_host("/var/lib/postgresql")
    place = next(one for one in (wanted, *wanted.parents) if one.exists())
    needed = int(described.before.get("bytes", 0) * _FACTOR * copies) + _RESERVE
    free = shutil.disk_usage(place).free
    if free < needed:
        raise HostError(
            Problem(
                str(place),
                f"its disk has {free // _MIB} MiB left, and the database of {described.name} needs"
                f" {needed // _MIB} beside what is there",
                "free some space",
            )
        )
