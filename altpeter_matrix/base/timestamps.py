"""The times in our records: UTC, to the second, as in 2026-01-31T12:00:00Z."""

import calendar
import time

_FORM = "%Y-%m-%dT%H:%M:%SZ"


def now() -> str:
    return time.strftime(_FORM, time.gmtime())


def epoch(text: str) -> int:
    """The Unix time of one of our times; ValueError for what is none."""
    return calendar.timegm(time.strptime(text, _FORM))
