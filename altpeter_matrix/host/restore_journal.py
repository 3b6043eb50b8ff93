"""What `altpeter-matrix restore` is about to do: for the run after one that was killed."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from ..base import disk, timestamps
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.resources import document
from ..base.state_file import StateFile

_AGAIN = "altpeter-matrix restore"


class Phase(StrEnum):
    PREPARING = "preparing"  # beside the server, which goes on as it is
    SWITCHING = "switching"  # Synapse stands still; files and database are put in place
    STARTING = "starting"  # all is in place
    RESTORED = "restored"  # it serves; what was there before is kept
    RETURNING = "returning"  # back to what was there before; Synapse stands still
    LEAVING = "leaving"  # what was there before is in place again


# Synapse must not start: what is in place is half of one server and half of another.
_STANDSTILL = frozenset({Phase.SWITCHING, Phase.RETURNING})


@dataclass(frozen=True)
class Restore:
    """A restore. The names of databases are PostgreSQL's.

    kept: as which the one that served before is kept; empty: there was none. moment: the database
    is as it was then, and only the files are those of the backup; empty: all is.
    """

    phase: Phase
    backup: str
    database: str
    kept: str
    time: str = ""
    moment: str = ""

    @property
    def name(self) -> str:
        """What the server is like after it."""
        return self.moment or self.backup

    @property
    def scratch(self) -> str:
        """The database that the backup is restored into, before it gets its name."""
        return scratch_of(self.database)

    def now(self, phase: Phase) -> "Restore":
        return replace(self, phase=phase, time=timestamps.now())


def scratch_of(database: str) -> str:
    """Whatever is called so is ours, and may be removed."""
    return f"{database[:40]}_altpeter_restored"


@dataclass(frozen=True)
class Journal:
    paths: Paths

    def read(self) -> Restore | None:
        """The restore that was begun or made; None: none."""
        return _FILE.read(self.paths.restore_journal)

    def write(self, restore: Restore) -> None:
        """Note a phase, before its first step. Synapse is held back for as long as it has to be."""
        _FILE.write(self.paths.restore_journal, asdict(restore))
        if restore.phase in _STANDSTILL:
            disk.replace(self.paths.restore_standstill, b"", 0o644)
        else:
            self._release_synapse()

    def clear(self) -> None:
        self._release_synapse()
        disk.remove(self.paths.restore_journal)

    def _release_synapse(self) -> None:
        """The matrix-synapse unit has a condition on this file."""
        disk.remove(self.paths.restore_standstill)


def interruption(paths: Paths) -> Problem | None:
    """That a restore was interrupted where nothing else may be changed, or is going on there."""
    restore = Journal(paths).read()
    if restore is None or restore.phase not in _STANDSTILL:
        return None
    return Problem(
        "altpeter-matrix",
        f"the restore of {restore.name} was interrupted (it was {restore.phase}), unless it is"
        " going on right now",
        f"`{_AGAIN}` completes it, `{_AGAIN} --undo` returns to what was there before",
    )


def notice(paths: Paths) -> Problem | None:
    """What `status` says beside that: what a restore has left for a person to decide."""
    restore = Journal(paths).read()
    if restore is None or restore.phase in _STANDSTILL:
        return None
    if restore.phase is Phase.RESTORED:
        return Problem(
            f"PostgreSQL database {restore.kept or restore.database}",
            f"is kept since the restore of {restore.name} at {restore.time}, with the files that"
            " were here before",
            f"`{_AGAIN} --finish` removes them, `{_AGAIN} --undo` returns to them",
        )
    return Problem(
        "altpeter-matrix",
        f"a restore of {restore.name} is not finished (it was {restore.phase})",
        f"`{_AGAIN}` completes it, unless it is going on right now",
    )


def _parse(raw: dict[str, Any]) -> Restore | None:
    fields = {key: value for key, value in raw.items() if key != "format"}
    return Restore(**{**fields, "phase": Phase(raw["phase"])})


def _unreadable(path: Path) -> NoReturn:
    raise HostError(
        Problem(
            str(path),
            "cannot be read, so nobody knows whether what is in place is whole",
            f"see {document('recovery.md')}",
        )
    )


_FILE = StateFile(_parse, missing=None, damaged=_unreadable, exact=True)
