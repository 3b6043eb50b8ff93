"""When people are told of a fault: pure.

Once when it comes, and once when it is over; each is believed only when two looks in a row agree,
so that a restart tells nothing. What stays bad is told again now and then.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from .news import Finding, News
from .record import Known

_CERTAIN = 2
_DAY = 86400.0


@dataclass(frozen=True)
class Quiet:
    """Hours of the day, in minutes from midnight, in this host's time. errors: tell errors also
    then."""

    begin: int
    end: int
    errors: bool

    def holds(self, fault: Finding, now: float) -> bool:
        local = time.localtime(now)
        minute = local.tm_hour * 60 + local.tm_min
        if self.begin < self.end:
            quiet = self.begin <= minute < self.end
        else:
            quiet = minute >= self.begin or minute < self.end
        return quiet and not (self.errors and fault.is_ill)


@dataclass(frozen=True)
class Rules:
    """repeat: after how many days errors are told again; None: never."""

    quiet: Quiet | None = None
    repeat: int | None = 1

    def silent(self, fault: Finding, now: float) -> bool:
        return self.quiet is not None and self.quiet.holds(fault, now)

    def again(self, known: Known, now: float) -> bool:
        if self.repeat is None or not known.fault.is_ill:
            return False
        # A clock that was set back must not silence it.
        return abs(now - known.told) >= self.repeat * _DAY - 600


def step(
    known: Iterable[Known],
    found: Iterable[Finding],
    asked: Callable[[Finding], bool],
    rules: Rules,
    now: float,
) -> tuple[tuple[Known, ...], tuple[News, ...]]:
    """What is known after another look, and what is to be told.

    asked: whether this look would have found a fault, were it there.
    """
    there = {one.key: one for one in found}
    before = {one.fault.key: one for one in known}
    after: list[Known] = []
    news: list[News] = []
    for key, fault in there.items():
        one, told = _there(before.get(key), fault, rules, now)
        after.append(one)
        news += told
    for key, one in before.items():
        if key not in there:
            kept, told = _not_there(one, asked, rules, now)
            after += [kept] if kept else []
            news += told
    return tuple(after), tuple(news)


def unsettled(known: Iterable[Known]) -> Iterator[Known]:
    """What the next look has to ask again, as nobody knows yet whether it came, or went, for
    good."""
    return (one for one in known if not one.certain or 0 < one.gone < _CERTAIN)


def _there(
    before: Known | None, fault: Finding, rules: Rules, now: float
) -> tuple[Known, tuple[News, ...]]:
    if before is None:
        return Known(fault), ()
    one = replace(before, fault=fault, seen=min(before.seen + 1, _CERTAIN), gone=0)
    if rules.silent(fault, now):
        return one, ()
    if not one.told:
        return replace(one, told=now), (News("new", fault, now),)
    if rules.again(one, now):
        return replace(one, told=now), (News("still", fault, now),)
    return one, ()


def _not_there(
    one: Known, asked: Callable[[Finding], bool], rules: Rules, now: float
) -> tuple[Known | None, tuple[News, ...]]:
    if not asked(one.fault):
        return one, ()
    if not one.told:
        return None, ()
    one = replace(one, gone=min(one.gone + 1, _CERTAIN))
    if one.gone < _CERTAIN or rules.silent(one.fault, now):
        return one, ()
    return None, (News("ended", one.fault, now),)
