"""Whether what PostgreSQL writes gets to where a moment can be restored from."""

import os
from collections.abc import Iterator

from ...host import archive_record
from ...host.backup_record import problem_of
from ...postgresql import archiving
from ...postgresql.archiving import Archiving
from ...settings.model import Settings
from .. import looks
from ..check import Check
from ..found import Found, found, in_own_words
from ..view import View
from .postgresql import SILENT

# The next run of the timer sets right what it can.
_BEHIND = 15 * 60


def _place(settings: Settings) -> str | None:
    backup = settings.backup
    return str(backup.point_in_time) if backup and backup.point_in_time else None


def facts(_view: View) -> Archiving:
    return archiving.facts()


def kept(view: View) -> Iterator[Found]:
    if (place := _place(view.shared(looks.written_settings))) is None:
        return
    if not os.access(archiving.PROGRAM, os.X_OK):
        yield found("pgbackrest-missing", place=place)
        return
    record = archive_record.read(view.paths)
    if failed := problem_of(record.problem):
        yield from in_own_words("archive-backup-failed", failed)
    elif record.lost:
        yield found("archive-incomplete", place=place)


def shipped(view: View) -> Iterator[Found]:
    place = _place(view.shared(looks.written_settings))
    if place is None or view.shared(looks.cluster) is None:
        return
    seen = view.shared(facts)
    if not seen.on or not archiving.configuration().exists():
        yield found("archiving-off", place=place)
    elif seen.waiting and seen.waiting_for > _BEHIND:
        yield found("archiving-behind", place=place, minutes=_BEHIND // 60)


CHECKS = (
    Check(
        "the archive of PostgreSQL",
        kept,
        ("pgbackrest-missing", "archive-backup-failed", "archive-incomplete"),
        unless=("settings-refused",),
        live=False,
    ),
    Check(
        "what PostgreSQL writes is kept",
        shipped,
        ("archiving-off", "archiving-behind"),
        unless=("settings-refused", *SILENT),
    ),
)
