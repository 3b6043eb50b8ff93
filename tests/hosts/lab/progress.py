"""One line on stderr for every step that takes long enough for somebody to wonder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what begins; when it ends, say how long it took. Failure is said as such."""
    start = time.monotonic()
    _say(f"{what} …")
    try:
        yield
    except BaseException:
        _say(f"{what}: failed after {time.monotonic() - start:.1f} s")
        raise
    _say(f"{what}: {time.monotonic() - start:.1f} s")


def _say(line: str) -> None:
    print(f"[lab] {line}", file=sys.stderr, flush=True)
