"""What is wrong with the backup that this package makes, as its record tells: asks nobody."""

import shutil
import time
from collections.abc import Iterator

from ..base.errors import Problem
from ..base.paths import Paths
from ..base.resources import document
from ..settings.model import Settings
from . import backup_record
from .backup_record import BackupRecord, problem_of

_DAY = 86400.0
_NOW = "`altpeter-matrix backup now`"
_DRILL = "`altpeter-matrix backup drill`"
# A drill may be late by that factor before anybody is told.
_LATE = 2
_DRILL_DAYS = {"weekly": 7, "monthly": 31}


def problems(paths: Paths, settings: Settings) -> list[Problem]:
    """All that a person should know of it; nothing where the settings name no place."""
    return [] if settings.backup is None else list(_problems(paths, settings))


def _problems(paths: Paths, settings: Settings) -> Iterator[Problem]:
    record, backup = backup_record.read(paths), settings.backup
    if backup is None:
        return
    if shutil.which("restic") is None:
        yield Problem("restic", "is not installed, so there is no backup", "`apt install restic`")
    if failed := problem_of(record.problem):
        yield Problem(failed.where, f"the last backup failed: {failed.what}", failed.remedy)
    elif not record.succeeded:
        place = str(backup.to)
        yield Problem(place, f"holds no backup yet; the first is due at {backup.time}", _NOW)
    if record.succeeded and (old := age_problem(paths, settings)):
        yield old
    for kept in (record.warning, record.unverified):
        if found := problem_of(kept):
            yield found


def drill_problems(paths: Paths, settings: Settings) -> list[Problem]:
    """What a restore for a trial has found; nothing where the settings name no place."""
    if settings.backup is None:
        return []
    return list(_drill(backup_record.read(paths), settings))


def _drill(record: BackupRecord, settings: Settings) -> Iterator[Problem]:
    if failed := problem_of(record.drill_problem):
        yield Problem(
            f"the backup {record.drilled_backup}", f"could not be restored: {failed.what}",
            f"{failed.remedy}; then {_DRILL}",
        )  # fmt: skip
        return
    days = _DRILL_DAYS.get(settings.backup.drill) if settings.backup else None
    if days and record.drilled and time.time() - record.drilled > _LATE * days * _DAY:
        what = f"was restored for a trial last on {_date(record.drilled)}"
        yield Problem("the backup", what, f"{_DRILL}, and look at altpeter-matrix-drill.timer")


def age_problem(paths: Paths, settings: Settings) -> Problem | None:
    """That the newest good backup is too old, or that there is none."""
    record, most = backup_record.read(paths), settings.updates.backup_max_age
    where = str(settings.backup.to) if settings.backup else "settings.yaml: backup"
    if not record.succeeded:
        return Problem(where, "holds no backup yet", f"{_NOW} ({document('backup.md')})")
    if time.time() - record.succeeded > most * _DAY:
        return Problem(
            where,
            f"the newest backup is of {_date(record.succeeded)}: older than the {most}d of"
            " updates.backup_max_age",
            f"{_NOW} makes one, or says what keeps it from that",
        )
    return None


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
