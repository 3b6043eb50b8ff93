"""Whether there is a backup to go back to."""

from collections.abc import Iterator

from ...host import last_backup
from .. import looks
from ..check import Check
from ..found import Found, in_own_words
from ..view import View


def own_program(view: View) -> Iterator[Found]:
    if problem := last_backup.problem(view.paths, view.shared(looks.written_settings).updates):
        yield from in_own_words("own-backup-old", problem)


CHECKS = (
    Check(
        "the backup of your program",
        own_program,
        ("own-backup-old",),
        unless=("settings-refused",),
        live=False,
    ),
)
