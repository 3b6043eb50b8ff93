"""One question to the server, or a few that are asked together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .found import Found
from .view import View


@dataclass(frozen=True)
class Check:
    """What is asked.

    look: asks, and yields what is wrong. What it raises means that it could not be asked, which is
        never taken for well. It changes nothing, takes no lock, and waits for others only through
        what knows `base.time_limit` (`run`, SQL, `health.get`), or with a bound of its own.
    faults: the IDs that it may yield, no others.
    seconds: after so many it could not be asked.
    daily: only once a day, as it is slow, or asks somebody else.
    unless: faults that make it pointless: where one was found, it is skipped.
    before_adoption: it is asked of a server that was set up by hand, too.
    live: it asks what runs on this host; left out where the host is a directory (a test).
    """

    name: str
    look: Callable[[View], Iterator[Found]]
    faults: tuple[str, ...]
    seconds: float = 5.0
    daily: bool = False
    unless: tuple[str, ...] = ()
    before_adoption: bool = False
    live: bool = True
