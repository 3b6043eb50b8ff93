"""When something is due. The timers only ask, twice an hour: so what failed, or was slept through,
is done as soon as it can be."""

import time
from typing import Protocol

from ..host.backup_record import BackupRecord
from ..settings.model import Drill

_HOUR = 3600.0
_DAY = 24 * _HOUR
_VERIFY_EVERY = 7 * _DAY
_DRILL_EVERY = {"weekly": 7 * _DAY, "monthly": 30 * _DAY}


def last_time(wanted: str, now: float) -> float:
    """When it was last that time of the day, by the clock of this host."""
    hour, minute = map(int, wanted.split(":"))
    local = time.localtime(now)
    today = time.mktime((*local[:3], hour, minute, 0, 0, 0, -1))
    if today <= now:
        return today
    yesterday = time.localtime(now - _DAY)
    return time.mktime((*yesterday[:3], hour, minute, 0, 0, 0, -1))


class Attempts(Protocol):
    """When it was tried last, and when the last one began that succeeded."""

    @property
    def attempted(self) -> float: ...

    @property
    def succeeded(self) -> float: ...


def is_due(wanted: str, record: Attempts, now: float) -> bool:
    """Whether a backup is to be made."""
    if record.succeeded >= last_time(wanted, now) and record.succeeded <= now:
        return False
    # A clock that was set back must not keep it waiting.
    failed = record.attempted > record.succeeded
    return not (failed and 0 <= now - record.attempted < _HOUR)


def is_to_be_verified(record: BackupRecord, now: float) -> bool:
    return not 0 <= now - record.verified < _VERIFY_EVERY


def is_drill_due(drill: Drill, record: BackupRecord, now: float) -> bool:
    """Each time there is a backup that was not tried yet; a failed one again after a day."""
    if drill == "never" or not record.succeeded:
        return False
    wait = _DAY if record.drill_problem else _DRILL_EVERY[drill]
    return not 0 <= now - record.drilled < wait
