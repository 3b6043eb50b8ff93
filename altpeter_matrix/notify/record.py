"""What was found and told until now, and what could not be told yet: notify.json.

It has to outlive a reboot, and a full disk is one of the things that are told: so while it cannot
be written where it belongs, it is kept in /run. Without it the same would be told each few minutes.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..base import disk
from ..base.errors import Problem
from ..base.paths import Paths
from ..base.state_file import StateFile, known_fields
from .news import Finding, News


@dataclass(frozen=True)
class Known:
    """A fault that was found.

    seen, gone: how many looks in a row have found it, or have not; neither counts beyond two.
    told: when people were told last; 0: never.
    """

    fault: Finding
    seen: int = 1
    gone: int = 0
    told: float = 0

    @property
    def certain(self) -> bool:
        return self.seen > 1


@dataclass(frozen=True)
class Way:
    """What became of a way. failing: why it did not work last time; empty: it did.

    waiting: what it has to tell yet.
    """

    failing: str = ""
    waiting: tuple[News, ...] = ()


@dataclass(frozen=True)
class Record:
    """The content of notify.json. ways: by their names. Times are in seconds since 1970.

    daily: the last look at all. busy: since when something was at work that makes faults of its
    own; 0: nothing is. damaged: the file was, so this begins anew.
    """

    known: tuple[Known, ...] = ()
    ways: Mapping[str, Way] = field(default_factory=dict)
    daily: float = 0
    busy: float = 0
    damaged: bool = False


def read(paths: Paths) -> Record:
    """What is known; what is missing or damaged begins anew."""
    passing = _passing(paths)
    return _FILE.read(passing if passing.exists() else paths.notify_record)


def write(paths: Paths, record: Record) -> None:
    """OSError: it can be written nowhere."""
    content = {**asdict(record), "damaged": False}
    try:
        disk.ensure_directory(paths.state, 0o755)
        _FILE.write(paths.notify_record, content)
    except OSError:
        disk.ensure_directory(paths.runtime, 0o755)
        _FILE.write(_passing(paths), content)
        return
    with suppress(OSError):
        disk.remove(_passing(paths))


def _passing(paths: Paths) -> Path:
    return paths.runtime / "notify.json"


def _parse(raw: Mapping[str, Any]) -> Record:
    ways = {
        name: Way(str(one["failing"]), tuple(_news(item) for item in one["waiting"]))
        for name, one in raw["ways"].items()
    }
    known = tuple(
        Known(**{**known_fields(Known, one), "fault": _fault(one["fault"])}) for one in raw["known"]
    )
    return Record(known, ways, float(raw["daily"]), float(raw["busy"]))


def _news(raw: Mapping[str, Any]) -> News:
    return News(**{**known_fields(News, raw), "fault": _fault(raw["fault"])})


def _fault(raw: Mapping[str, Any]) -> Finding:
    return Finding(**{**known_fields(Finding, raw), "problem": Problem(**raw["problem"])})


_FILE: StateFile[Record] = StateFile(
    _parse, missing=Record(), damaged=lambda _: Record(damaged=True)
)
