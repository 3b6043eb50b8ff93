"""Whether there is a backup to go back to."""

from collections.abc import Iterator

from ...host import last_backup, own_backup, restore_journal
from .. import looks
from ..check import Check
from ..found import Found, in_own_words
from ..view import View


def own_program(view: View) -> Iterator[Found]:
    if problem := last_backup.problem(view.paths, view.shared(looks.written_settings).updates):
        yield from in_own_words("own-backup-old", problem)


def made(view: View) -> Iterator[Found]:
    settings = view.shared(looks.written_settings)
    yield from in_own_words("backup-failed", own_backup.problems(view.paths, settings))
    yield from in_own_words("backup-drill-failed", own_backup.drill_problems(view.paths, settings))


def restored(view: View) -> Iterator[Found]:
    if problem := restore_journal.interruption(view.paths):
        yield from in_own_words("restore-interrupted", problem)
    if left := restore_journal.notice(view.paths):
        yield from in_own_words("restore-unfinished", left)


CHECKS = (
    Check(
        "the backup of your program",
        own_program,
        ("own-backup-old",),
        unless=("settings-refused",),
        live=False,
    ),
    Check(
        "the backup",
        made,
        ("backup-failed", "backup-drill-failed"),
        unless=("settings-refused",),
        live=False,
    ),
    Check("a restore", restored, ("restore-interrupted", "restore-unfinished"), live=False),
)
