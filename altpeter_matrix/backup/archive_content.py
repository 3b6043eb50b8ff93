"""To which moments the database can be restored, as pgBackRest lists what it has.

PostgreSQL's WAL is a sequence of files. A backup leads to each moment from its end on, as long as
no file is missing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_FILE = re.compile(
    r"(?P<archive>\d+-\d+)/[0-9A-F]{16}/[0-9A-F]{8}(?P<log>[0-9A-F]{8})(?P<part>[0-9A-F]{8})"
    r"-[0-9a-f]{40}(\.\w+)?"
)
_LOG = 2**32  # bytes that the files of one log hold together


@dataclass(frozen=True)
class Span:
    """Moments that can be restored to, in seconds since 1970, by a PostgreSQL of that version.
    whole: nothing was lost since."""

    begin: float
    end: float
    whole: bool
    version: int

    def has(self, moment: float) -> bool:
        return self.begin <= moment <= self.end


@dataclass(frozen=True)
class Content:
    """spans: the oldest first. full: when the newest full backup was made, of the cluster that
    serves; 0: there is none."""

    spans: tuple[Span, ...] = ()
    full: float = 0

    @property
    def lost(self) -> bool:
        """Whether something that was written after the newest backup is missing."""
        return bool(self.spans) and not self.spans[-1].whole


def parsed(
    info: Sequence[Mapping[str, Any]], listed: Mapping[str, Mapping[str, Any]], size: int
) -> Content:
    """Of `pgbackrest info` and of `pgbackrest repo-ls`. size: of a file of WAL."""
    if not info or not info[0].get("backup"):
        return Content()
    archives = {one["database"]["id"]: str(one["id"]) for one in info[0]["archive"]}
    files: dict[str, dict[int, float]] = {name: {} for name in archives.values()}
    for name, facts in listed.items():
        if found := _FILE.fullmatch(name):
            number = _number(found["log"], found["part"], size)
            files.setdefault(found["archive"], {})[number] = float(facts.get("time", 0))
    # One that was made with pages that PostgreSQL itself calls damaged is none.
    backups = [one for one in info[0]["backup"] if not one.get("error")]
    newest = max((db["id"] for db in info[0]["db"]), default=0)
    full = [
        float(one["timestamp"]["stop"]) for one in backups
        if one["type"] == "full" and one["database"]["id"] == newest
    ]  # fmt: skip
    return Content(tuple(_spans(backups, archives, files, size)), max(full, default=0))


def _spans(
    backups: Sequence[Mapping[str, Any]],
    archives: Mapping[int, str],
    files: Mapping[str, Mapping[int, float]],
    size: int,
) -> Iterator[Span]:
    """Backups that lead to the same end are one."""
    ends: dict[tuple[str, int], Span] = {}
    for one in backups:
        archive = archives.get(one["database"]["id"], "")
        there = files.get(archive, {})
        first, last = (
            _number(name[8:16], name[16:24], size)
            for name in (one["archive"]["start"], one["archive"]["stop"])
        )
        reach = first - 1
        while reach + 1 in there:
            reach += 1
        if reach < last:
            continue  # without what was written while it was made, it is worth nothing
        begin = float(one["timestamp"]["stop"])
        end, whole = max(begin, there[reach]), not any(number > reach for number in there)
        known = ends.get((archive, reach))
        begin = min(begin, known.begin) if known else begin
        ends[archive, reach] = Span(begin, end, whole, int(archive.partition("-")[0]))
    yield from sorted(ends.values(), key=lambda span: span.begin)


def _number(log: str, part: str, size: int) -> int:
    return int(log, 16) * (_LOG // size) + int(part, 16)
