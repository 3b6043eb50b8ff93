"""Signals during a change: they end it like an error does, with the old state active."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def termination_as_exception() -> Iterator[None]:
    """SIGTERM and a lost terminal end the run like Ctrl-C does: with the old state active."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    # One that is ignored stays so: nohup(1) wants that.
    numbers = [one for one in _ENDING if signal.getsignal(one) is not signal.SIG_IGN]
    old = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Going back must not be interrupted halfway."""
    numbers = (signal.SIGINT, *_ENDING)
    old = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
