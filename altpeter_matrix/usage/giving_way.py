"""Ends what we have PostgreSQL do as soon as something more important begins, or we end ourselves.

Killing a client does not end its statement, so PostgreSQL is told.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

from ..base.errors import HostError
from ..postgresql.connection import cancel_upkeep

# What is more important and at work just now, in a person's words; None: nothing.
Busy = Callable[[], str | None]
_EVERY = 2.0


@dataclass
class Watch:
    """busy: what is at work. seen: what was, so that the work was ended; nothing until then."""

    busy: Busy
    seen: str = ""

    def look(self) -> bool:
        """Whether it is time to end."""
        self.seen = self.seen or self.busy() or ""
        return bool(self.seen)


@contextmanager
def giving_way(database: str, watch: Watch) -> Iterator[None]:
    """What upkeep_as_synapse does in here ends when something else begins."""
    over = Event()
    thread = Thread(target=_follow, args=(database, watch, over), daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        with suppress(HostError):
            cancel_upkeep(database)
        raise
    finally:
        over.set()
        thread.join()


def _follow(database: str, watch: Watch, over: Event) -> None:
    while not over.wait(_EVERY):
        # Each time: the first may have come before the statement.
        if watch.look():
            with suppress(HostError):
                cancel_upkeep(database)
