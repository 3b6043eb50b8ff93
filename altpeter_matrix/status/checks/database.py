"""PostgreSQL's clusters, and moves between them."""

from collections.abc import Iterator

from ...database.notices import version_notices
from ...postgresql import upgrade_journal
from ..check import Check
from ..found import Found, in_own_words
from ..view import View


def move(view: View) -> Iterator[Found]:
    if problem := upgrade_journal.interruption(view.paths):
        yield from in_own_words("database-move-interrupted", problem)


def versions(view: View) -> Iterator[Found]:
    yield from in_own_words("postgresql-version-old", version_notices(view.host))


CHECKS = (
    Check("a move of the database", move, ("database-move-interrupted",), live=False),
    Check("PostgreSQL's version", versions, ("postgresql-version-old",), live=False),
)
