"""One line a day of how full the disks were, and with what: what growth is told by.

/var/lib/altpeter-matrix/usage-samples.jsonl, replaced by rename. A line that cannot be read, or a
field that a later version of this package wrote, is passed over. The last line of a day counts.
Times are as the clock had them: lines of a time that is still to come are kept, since it may be now
that the clock is wrong, and growth.py looks at none of them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..base import disk, timestamps
from ..base.paths import Paths
from .model import Usage

MOST = 400
_DAY = len("2026-01-31")


@dataclass(frozen=True)
class Disk:
    """How full a file system was; bytes, and files."""

    size: int
    used: int
    inodes_used: int


@dataclass(frozen=True)
class Sample:
    """time: UTC. disks: by where they are mounted. parts: bytes by their keys."""

    time: str
    disks: Mapping[str, Disk]
    parts: Mapping[str, int]


def of(usage: Usage) -> Sample:
    """The sample that a look makes: without what it did not see the whole of."""
    every = (one for part in usage.parts for one in part.all())
    return Sample(
        usage.taken,
        {one.mount: Disk(one.size, one.used, one.inodes_used) for one in usage.file_systems},
        {one.key: one.size for one in every if one.whole},
    )


def read(paths: Paths) -> tuple[Sample, ...]:
    """All samples, by their times; none when there is no file that can be read."""
    try:
        text = paths.usage_samples.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    found = (_parse(line) for line in text.splitlines())
    return _ordered(one for one in found if one is not None)


def add(paths: Paths, sample: Sample) -> None:
    """Write a sample beside the others, in the place of that day's; the oldest goes."""
    kept = _ordered((*read(paths), sample))[-MOST:]
    if sample not in kept:
        return  # the clock is behind all the others
    disk.ensure_directory(paths.state, 0o755)
    lines = "".join(f"{json.dumps(asdict(one))}\n" for one in kept)
    disk.replace(paths.usage_samples, lines.encode(), 0o600)


def _ordered(found: Iterable[Sample]) -> tuple[Sample, ...]:
    days = {one.time[:_DAY]: one for one in found}
    return tuple(sorted(days.values(), key=lambda one: one.time))


def _parse(line: str) -> Sample | None:
    try:
        raw: Any = json.loads(line)
        timestamps.epoch(raw["time"])
        disks = {
            str(mount): Disk(*(_number(one[key]) for key in ("size", "used", "inodes_used")))
            for mount, one in raw["disks"].items()
        }
        parts = {str(key): _number(value) for key, value in raw["parts"].items()}
        return Sample(raw["time"], disks, parts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value
