"""Programs of this package that should have ended."""

from collections.abc import Iterator

from ...apply import stuck_services
from ...base import locks
from ..check import Check
from ..found import Found, in_own_words
from ..view import View


def held_locks(view: View) -> Iterator[Found]:
    yield from in_own_words("lock-held", locks.stuck(view.paths))


def stuck(_view: View) -> Iterator[Found]:
    yield from in_own_words("own-program-stuck", stuck_services.stuck())


CHECKS = (
    Check("locks", held_locks, ("lock-held",), before_adoption=True, live=False),
    Check(
        "our programs end",
        stuck,
        ("own-program-stuck",),
        unless=("systemd-missing",),
        before_adoption=True,
        live=False,
    ),
)
