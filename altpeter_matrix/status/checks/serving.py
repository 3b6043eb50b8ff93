"""What clients and other servers get when they ask."""

from collections.abc import Iterator

from ...apply.public_side import PublicSide
from .. import looks
from ..check import Check
from ..found import Found, in_own_words
from ..view import View


def answers(view: View) -> Iterator[Found]:
    problems = PublicSide(view.host).unanswered(
        view.shared(looks.settings), view.shared(looks.units)
    )
    yield from in_own_words("no-answer", problems)


CHECKS = (
    Check(
        "answers through nginx",
        answers,
        ("no-answer",),
        seconds=6.0,
        unless=("settings-refused",),
        live=False,
    ),
)
