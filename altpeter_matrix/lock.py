"""One apply at a time, whoever starts it: a person, a package or the deploy."""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .disk import ensure_directory
from .errors import HostError, Problem
from .paths import Paths


@contextmanager
def exclusive(paths: Paths, wait: float = 60) -> Iterator[None]:
    """Hold the lock; the kernel drops it when the process dies, so a kill leaves no lock behind."""
    ensure_directory(paths.runtime, 0o755)
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(descriptor, paths, wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, paths: Paths, wait: float) -> None:
    deadline = time.monotonic() + wait
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        if time.monotonic() >= deadline:
            raise HostError(
                Problem(
                    str(paths.lock),
                    f"another altpeter-matrix (process {holder}) has been at work"
                    f" for more than {wait:.0f} s",
                    f"wait for it, or look at it with `ps {holder}`, then try again",
                )
            )
        if not told:
            print(f"Waiting for another altpeter-matrix (process {holder}).", file=sys.stderr)
            told = True
        time.sleep(0.1)
