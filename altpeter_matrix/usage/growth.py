"""How fast something grows, by its samples, and when a disk is full at that pace: pure.

The pace is the median of the paces between all pairs of samples of the last month (Theil and Sen).
So a clean-up, a file that was there for a day, or a clock that was wrong once does not change it;
and nothing is said before there are samples of some days.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from ..base import timestamps
from ..base.paths import Paths
from . import samples
from .model import FileSystem
from .samples import Sample

DAY = 86400.0
_WINDOW = 30 * DAY
LEAST_SAMPLES = 4
_LEAST_SPAN = 2.5 * DAY
# Samples are a day apart, an hour more or less; closer ones say more of that hour than of the pace.
_LEAST_APART = 0.5 * DAY

Point = tuple[float, int]  # seconds since 1970, and how much there was


@dataclass(frozen=True)
class Outlook:
    """A disk to come. per_day: bytes; None: not known yet. days: until it is full; None: not known,
    or not at this pace."""

    per_day: float | None
    days: float | None


def full_in_days(paths: Paths, file_system: FileSystem) -> float | None:
    """In how many days a file system is full, by the samples of this host; None: nobody knows yet,
    or it does not grow."""
    return outlook(file_system, samples.read(paths), time.time()).days


def outlook(file_system: FileSystem, found: Sequence[Sample], now: float) -> Outlook:
    """What the samples say of a file system as it is now. Full is what has no room, or no inode."""
    mount = file_system.mount
    disks = [(timestamps.epoch(one.time), one.disks[mount]) for one in found if mount in one.disks]
    pace = per_day([(when, disk.used) for when, disk in disks], now)
    files = per_day([(when, disk.inodes_used) for when, disk in disks], now)
    left = file_system.inodes - file_system.inodes_used
    ends = [_until(file_system.free, pace)]
    ends += [_until(left, files)] if file_system.inodes else []
    return Outlook(pace, min((one for one in ends if one is not None), default=None))


def part_per_day(key: str, found: Iterable[Sample], now: float) -> float | None:
    """By how many bytes a day a part grows; None: not known yet."""
    parts = [(timestamps.epoch(one.time), one.parts[key]) for one in found if key in one.parts]
    return per_day(parts, now)


def per_day(points: Iterable[Point], now: float) -> float | None:
    """By how much something grows a day; None when there is too little to tell it by."""
    seen = [one for one in points if now - _WINDOW <= one[0] <= now + DAY]
    times = [when for when, _amount in seen]
    if len(seen) < LEAST_SAMPLES or max(times) - min(times) < _LEAST_SPAN:
        return None
    paces = [
        (later - earlier) / (end - begin) * DAY
        for (begin, earlier), (end, later) in combinations(sorted(seen), 2)
        if end - begin >= _LEAST_APART
    ]
    return median(paces) if paces else None


def _until(left: int, pace: float | None) -> float | None:
    """In how many days nothing is left at that pace."""
    if pace is None or pace <= 0:
        return None
    return max(left, 0) / pace
