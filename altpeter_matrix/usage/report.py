"""What a person and a program read of the room that is taken, and of when it ends."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..base import timestamps
from .giving_back import GivingBack
from .growth import LEAST_SAMPLES, Outlook, outlook, part_per_day
from .model import FileSystem, Part, Usage
from .reclaimed import Run
from .samples import Sample

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_TABLES, _ROOMS, _RUNS, _GIVEN = 6, 5, 3, 3
# What is less than that part of what it is in is in the JSON only.
_SHOWN_SHARE = 0.01
_UNFILLED_FROM = 1024**2
_FAR = 3650  # days


@dataclass(frozen=True)
class Report:
    """All that is told: the look, the samples before it, what could be given back and what was."""

    usage: Usage
    samples: tuple[Sample, ...]
    possible: tuple[GivingBack, ...]
    runs: tuple[Run, ...] = ()

    @property
    def now(self) -> float:
        return timestamps.epoch(self.usage.taken)

    def outlook(self, one: FileSystem) -> Outlook:
        return outlook(one, self.samples, self.now)

    def pace(self, part: Part) -> float | None:
        """Bytes a day, or None as long as nobody knows."""
        return part_per_day(part.key, self.samples, self.now)

    def as_json(self) -> dict[str, Any]:
        """Sizes in bytes, paces in bytes a day; null: not known."""
        usage = self.usage
        return {
            "taken": usage.taken,
            "samples": len(self.samples),
            "file_systems": [self._disk_as_json(one) for one in usage.file_systems],
            "parts": [self._part_as_json(one) for one in usage.parts],
            "tables": [asdict(one) for one in usage.tables],
            "rooms": [asdict(one) for one in usage.rooms],
            "can_be_given_back": [asdict(one) for one in self.possible],
            "given_back": [one.as_json() for one in self.runs],
            "notes": list(usage.notes),
            "problems": [asdict(one) for one in usage.problems],
        }

    def _disk_as_json(self, one: FileSystem) -> dict[str, Any]:
        found = self.outlook(one)
        return {**asdict(one), "per_day": found.per_day, "full_in_days": found.days}

    def _part_as_json(self, part: Part) -> dict[str, Any]:
        return {
            "key": part.key, "title": part.title, "size": part.size, "whole": part.whole,
            "per_day": self.pace(part), "inside": [self._part_as_json(one) for one in part.inside],
        }  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A line of a table: how deep it is inside of others, its words, and how full its bar is."""

    depth: int
    name: str
    size: str
    share: float
    more: str


def verdict(report: Report) -> tuple[str, float]:
    """The disk that is full first in a sentence, and how full it is, 0 to 1."""
    disks = report.usage.file_systems
    if not disks:
        return "No disk could be looked at.", 1.0
    first = min(disks, key=lambda one: (_days(report, one), -one.share))
    share = max(first.share, first.inode_share)
    said = f"{first.mount} is {share:.0%} full"
    if first.inode_share > first.share:
        said = f"{first.mount} has {share:.0%} of its inodes in use"
    found = report.outlook(first)
    pace = "" if found.per_day is None else "at this pace "
    return f"{said}; {pace}{when_full(found, report.samples)}.", share


def disks(report: Report) -> Iterator[Row]:
    """Each file system, with what is on it and when it is full."""
    for one in report.usage.file_systems:
        size = f"{size_of(one.used)} of {size_of(one.size)}"
        more = [f"{size_of(one.free)} free"]
        found = report.outlook(one)
        if found.per_day is not None:
            more += [pace_of(found.per_day), when_full(found, report.samples)]
        if one.inode_share > 0.5 or one.inode_share > one.share:
            more.append(f"{one.inode_share:.0%} of its inodes")
        yield Row(0, one.mount, size, one.share, ", ".join(more))
        yield Row(1, "", "", 0, f"has {', '.join(one.holds)}")


def parts(report: Report) -> Iterator[Row]:
    """What takes room, largest first; bars are shares of all of it."""
    whole = sum(part.size for part in report.usage.parts)
    for part in report.usage.parts:
        yield from _rows(report, part, whole, 0)


def _rows(report: Report, part: Part, whole: int, depth: int) -> Iterator[Row]:
    pace = report.pace(part)
    more = [pace_of(pace)] if pace is not None and abs(pace) >= 1024 else []
    if not part.whole:
        more.append(_not_whole(part, report.samples))
    size = size_of(part.size) if part.whole else f"> {size_of(part.size)}"
    yield Row(depth, part.title, size, part.size / whole if whole else 0, ", ".join(more))
    for one in part.inside:
        if one.size >= part.size * _SHOWN_SHARE:
            yield from _rows(report, one, whole, depth + 1)


def _not_whole(part: Part, samples: Sequence[Sample]) -> str:
    """What is known of a part that is too large to count while somebody waits."""
    known = [one for one in samples if part.key in one.parts]
    if not known:
        return "not all of it was counted"
    last = known[-1]
    return f"{size_of(last.parts[part.key])} on {last.time[:10]}"


def tables(report: Report) -> Iterator[Row]:
    """The largest tables of the database; bars are shares of the largest."""
    shown = report.usage.tables[:_TABLES]
    for one in shown:
        more = [one.subject, f"indexes {size_of(one.indexes)}"]
        more += [f"{one.dead / (one.rows + one.dead):.0%} dead rows"] if _dead(one) else []
        heap = one.size - one.indexes
        if one.unfilled and one.unfilled >= _UNFILLED_FROM and one.unfilled > heap / 10:
            more.append(f"about {size_of(one.unfilled)} unfilled")
        yield Row(0, one.name, size_of(one.size), one.size / max(shown[0].size, 1), ", ".join(more))


def _dead(one: Any) -> bool:
    return bool(one.dead > (one.rows + one.dead) / 20 and one.dead > 1000)


def rooms(report: Report) -> Iterator[Row]:
    """The largest rooms; bars are shares of the largest."""
    shown = report.usage.rooms[:_ROOMS]
    for one in shown:
        yield Row(0, one.room, f"about {size_of(one.size)}", one.size / max(shown[0].size, 1), "")


def given_back(report: Report) -> Iterator[Row]:
    """The last runs that gave something back, or failed; the newest first."""
    told = [one for one in reversed(report.runs) if one.given or one.problems]
    for run in told[:_RUNS]:
        more = [one.what for one in run.given[:_GIVEN]]
        more += [f"{len(run.given) - _GIVEN} more"] if len(run.given) > _GIVEN else []
        more += [f"failed: {where}" for where, _what, _remedy in run.problems[:1]]
        yield Row(0, run.time[:10], size_of(run.size), 0, ", ".join(more))


SECTIONS: Mapping[str, Any] = {
    "Disks": disks,
    "Where the room is": parts,
    "Largest tables": tables,
    "Largest rooms, by what PostgreSQL has sampled": rooms,
    "Given back": given_back,
}


def lines(report: Report) -> Iterator[str]:
    """The page for a pipe or a file: plain columns."""
    yield verdict(report)[0]
    for title, rows_of in SECTIONS.items():
        found: list[Row] = list(rows_of(report))
        if not found:
            continue
        yield f"{title}:"
        for row in found:
            name = f"{'  ' * (row.depth + 1)}{row.name}"
            yield f"{name:<40}  {row.size:>22}  {row.more}".rstrip()
    if report.possible:
        yield "What could be given back:"
    for one in report.possible:
        yield f"  {size_of(one.size)}  {one.what}: {one.how}"
    yield from report.usage.notes


def size_of(size: int | float) -> str:
    """Bytes as people read them: two figures or three, in units of 1024."""
    amount, unit = abs(float(size)), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    figures = 1 if unit and amount < 9.95 else 0
    return f"{'-' if size < 0 else ''}{amount:.{figures}f} {_UNITS[unit]}"


def pace_of(per_day: float) -> str:
    if abs(per_day) < 1024:
        return "does not grow"
    return f"{'+' if per_day > 0 else ''}{size_of(per_day)} a day"


def when_full(found: Outlook, samples: Sequence[Sample]) -> str:
    """When nothing is left, as far as anybody knows."""
    if found.per_day is None:
        return (
            "when it is full is known after some days of samples"
            f" (altpeter-matrix-usage.timer takes one a day: {len(samples)} of at least"
            f" {LEAST_SAMPLES})"
        )
    if found.days is None or found.days > _FAR:
        return "not full within ten years"
    return f"full {_in_days(found.days)}"


def _in_days(days: float) -> str:
    if days < 1:
        return "within a day"
    for unit, length, least in (("year", 365, 730), ("month", 30, 60), ("week", 7, 14)):
        if days >= least:
            return f"in about {days / length:.0f} {unit}s"
    return f"in about {days:.0f} day{'' if round(days) == 1 else 's'}"


def _days(report: Report, one: FileSystem) -> float:
    days = report.outlook(one).days
    return math.inf if days is None else days
