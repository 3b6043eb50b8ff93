"""What became of each upgrade of Synapse: the version that works, the one on trial, all before.

One file, replaced by rename: whoever reads it after a kill or a power cut sees a whole step.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from ..apt.release import Release
from ..base import disk
from ..base.errors import Problem
from ..base.paths import Paths
from ..base.state_file import StateFile, known_fields
from ..base.timestamps import epoch, now

_MOST_ENTRIES = 500

# watching: it is asked; going back: it failed, and the version before is being brought back;
# stuck: it failed, and there is no way back.
Phase = Literal["watching", "going back", "stuck"]
# passed: it works; undone: the version before serves again; failed: there was no way back;
# replaced: another version came before it was judged.
Result = Literal["passed", "undone", "failed", "replaced"]


@dataclass(frozen=True)
class Trial:
    """An installed version that has not shown yet that it works.

    before: what to go back to; None: nothing, as on a first installation.
    began: UTC. boot: the boot that saw it last; boots: how many have. restarts: how many systemd
    had counted when it began. stays: why there is no way back; stuck_since: UTC, when that was
    found last; told: it is in the history.
    """

    release: Release
    before: Release | None
    began: str
    phase: Phase = "watching"
    reason: Problem | None = None
    ready: bool = False  # it once said that it was
    migrating: bool = False
    boot: str = ""
    boots: int = 0
    restarts: int = 0
    attempts: int = 0  # to go back
    stays: str = ""
    stuck_since: str = ""
    told: bool = False

    @property
    def explanation(self) -> Problem | None:
        """What is wrong with it, and why it is still there, if it is to stay."""
        if self.reason is None or not self.stays:
            return self.reason
        return explained(self.reason, self.stays)

    @property
    def way_back(self) -> "WayBack | None":
        """None: it has not failed, or nothing was there before it."""
        if self.before is None or self.reason is None:
            return None
        return WayBack(self.release, self.before, self.reason)


@dataclass(frozen=True)
class WayBack:
    """From the version that failed to the one before it, and why."""

    failed: Release
    before: Release
    reason: Problem


@dataclass(frozen=True)
class Entry:
    """An upgrade that is over. Times are UTC.

    held, failed: requests that waited, and that were answered with an error; None: unknown.
    """

    began: str
    ended: str
    seconds: int
    package: str
    before: str | None
    version: str
    result: Result
    reason: Problem | None = None
    note: str = ""
    held: int | None = None
    failed: int | None = None


@dataclass(frozen=True)
class Book:
    """The content of upgrades.json.

    session: the canary could log in, send and read with the version that works.
    took: seconds that it needed from its start until it was ready; 0: unknown.
    """

    good: Release | None = None
    trial: Trial | None = None
    entries: tuple[Entry, ...] = ()
    session: bool = False
    took: float = 0.0

    def closed(self, entry: Entry, good: Release | None) -> "Book":
        """The book once a trial is over, with the version that works now."""
        return replace(self, good=good, trial=None, entries=(*self.entries, entry)[-_MOST_ENTRIES:])


def read(paths: Paths) -> Book:
    """The book; an empty one when it is missing, damaged, or of a later version of this package."""
    return _FILE.read(paths.upgrades)


def write(paths: Paths, book: Book) -> None:
    disk.ensure_directory(paths.state, 0o755)
    _FILE.write(paths.upgrades, asdict(book))


def explained(reason: Problem, stays: str) -> Problem:
    """Why a version is wrong, and why it is there all the same."""
    return replace(reason, what=f"{reason.what}; it stays, because {stays}")


def seconds_between(began: str, ended: str) -> int:
    """Whole seconds between two of our times; never less than 0, as the clock may have jumped."""
    return max(0, epoch(ended) - epoch(began))


def is_past(when: str, seconds: int) -> bool:
    """Whether one of our times is that long ago; or ahead, after the clock was set back."""
    return not when or abs(epoch(now()) - epoch(when)) >= seconds


def _book(raw: Mapping[str, Any]) -> Book:
    trial = raw.get("trial")
    return Book(
        good=_release(raw.get("good")),
        session=raw.get("session") is True,
        took=float(raw.get("took", 0)),
        trial=None if trial is None else _trial(trial),
        entries=tuple(_entry(one) for one in raw.get("entries", ())),
    )


def _release(raw: Mapping[str, Any] | None) -> Release | None:
    return None if raw is None else Release(**known_fields(Release, raw))


def _problem(raw: Mapping[str, Any] | None) -> Problem | None:
    return None if raw is None else Problem(**raw)


def _trial(raw: Mapping[str, Any]) -> Trial:
    release = Release(**known_fields(Release, raw["release"]))
    return Trial(
        **{
            **known_fields(Trial, raw),
            "release": release,
            "before": _release(raw.get("before")),
            "reason": _problem(raw.get("reason")),
        }
    )


def _entry(raw: Mapping[str, Any]) -> Entry:
    return Entry(**{**known_fields(Entry, raw), "reason": _problem(raw.get("reason"))})


_FILE = StateFile(_book, missing=Book())
