"""How long a piece of work may still wait for others, whatever each step of it would allow."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Less would not even start a program.
_LEAST = 0.05
_end: ContextVar[float | None] = ContextVar("end", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What this thread waits for in here has an end by then."""
    before = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(before)


def at_most(seconds: float) -> float:
    """The seconds that a step may take: its own limit, or what is left."""
    end = _end.get()
    return seconds if end is None else max(_LEAST, min(seconds, end - time.monotonic()))
