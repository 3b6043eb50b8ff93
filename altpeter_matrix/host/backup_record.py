"""What became of the last backup and of the last drill: written by them, told by `status`."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..base.errors import Problem
from ..base.paths import Paths
from ..base.state_file import StateFile, known_fields


@dataclass(frozen=True)
class BackupRecord:
    """Times in seconds since 1970; 0: never. problem: why the last one failed, in three texts."""

    place: str = ""  # where the newest backup is
    repository: str = ""  # the number that restic has given the repository there
    attempted: float = 0
    succeeded: float = 0  # when the newest good one began
    taken_over: float = 0  # when a restore has brought the server here
    backup: str = ""  # its name
    seconds: float = 0  # that it took
    problem: tuple[str, ...] = ()
    warning: tuple[str, ...] = ()  # about a backup that succeeded
    verified: float = 0
    unverified: tuple[str, ...] = ()  # what the last look at the repository found
    drilled: float = 0
    drilled_backup: str = ""
    drill_problem: tuple[str, ...] = ()
    restore_seconds: float = 0  # that the last good drill needed

    @property
    def drilled_well(self) -> bool:
        return bool(self.drilled) and not self.drill_problem

    def but(self, **fields: Any) -> "BackupRecord":
        return replace(self, **fields)


def texts(problem: Problem | None) -> tuple[str, ...]:
    """A problem as the record keeps it."""
    return () if problem is None else (problem.where, problem.what, problem.remedy)


def problem_of(kept: tuple[str, ...]) -> Problem | None:
    """The other way."""
    return Problem(kept[0], kept[1], kept[2]) if len(kept) == 3 else None


def read(paths: Paths) -> BackupRecord:
    return _FILE.read(paths.backup_state)


def write(paths: Paths, record: BackupRecord) -> None:
    _FILE.write(paths.backup_state, asdict(record))


def _parse(raw: dict[str, Any]) -> BackupRecord:
    fields: dict[str, Any] = known_fields(BackupRecord, raw)
    for key, value in fields.items():
        if isinstance(value, list):
            fields[key] = tuple(map(str, value))
    return BackupRecord(**fields)


_FILE: StateFile[BackupRecord] = StateFile(_parse, missing=BackupRecord())
