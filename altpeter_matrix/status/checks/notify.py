"""Whether people can be told of what is wrong."""

from collections.abc import Iterator

from ...notify import record, ways
from ..check import Check
from ..found import Found, found
from ..view import View


def failing(view: View) -> Iterator[Found]:
    """By what the last attempts have shown: asking makes no noise."""
    for name, way in record.read(view.paths).ways.items():
        if way.failing and ways.is_mail(name):
            yield found("notify-mail-failed", way=name, why=way.failing)
        elif way.failing:
            yield found("notify-webhook-failed", way=name, why=way.failing)


CHECKS = (Check("ways to tell people", failing, ways.OWN_FAULTS, live=False),)
