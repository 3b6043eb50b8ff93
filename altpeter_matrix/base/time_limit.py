"""How long a piece of work may still wait for others, whatever each step of it would allow."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

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


def side_by_side(work: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """What `work` makes of each, all at once and within the same limit, in their order."""
    wanted = [(copy_context(), item) for item in items]
    if not wanted:
        return []
    with ThreadPoolExecutor(len(wanted)) as pool:
        return list(pool.map(lambda one: one[0].run(work, one[1]), wanted))
