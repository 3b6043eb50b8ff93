"""What each way has to tell: kept until it was told, and then told in one piece."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..base.errors import MatrixConfigError
from ..base.failures import problems_of
from .news import News, message
from .record import Record, Way
from .ways import OWN_FAULTS, Sender

# A way that fails for weeks; what stays bad is told again anyway.
_MOST_WAITING = 100


def queued(record: Record, senders: Sequence[Sender], news: Sequence[News]) -> Record:
    """The record with the news for each way; without the ways that are no more."""
    ways = {}
    for one in senders:
        way = record.ways.get(one.name, Way())
        more = tuple(item for item in news if not _about(one, item))
        ways[one.name] = replace(way, waiting=_together(way.waiting, more))
    return replace(record, ways=ways)


def sent(record: Record, senders: Sequence[Sender], host: str) -> Record:
    """The record after each way was tried that has something to tell."""
    ways: dict[str, Way] = dict(record.ways)
    for one in senders:
        way = ways[one.name]
        if not way.waiting:
            continue
        try:
            one.send(message(host, way.waiting))
        except (MatrixConfigError, OSError) as error:
            ways[one.name] = replace(way, failing=problems_of(error)[0].what)
        else:
            ways[one.name] = Way()
    return replace(record, ways=ways)


def worked(record: Record, names: Mapping[str, bool]) -> Record:
    """The record after a test by hand: a way that works again is no fault any more."""
    ways = {
        name: replace(way, failing="") if names.get(name) else way
        for name, way in record.ways.items()
    }
    return replace(record, ways=ways)


def _about(sender: Sender, news: News) -> bool:
    """A way does not tell of itself that it fails."""
    return news.fault.id in OWN_FAULTS and news.fault.problem.where == sender.name


def _together(waiting: Sequence[News], more: Sequence[News]) -> tuple[News, ...]:
    """Of a fault that stays, what was said last is enough."""
    again = {one.fault.key for one in more if one.event == "still"}
    kept = [one for one in waiting if one.event != "still" or one.fault.key not in again]
    return (*kept, *more)[-_MOST_WAITING:]
