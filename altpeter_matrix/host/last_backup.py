"""How old the newest backup is. The administrator's own program makes it, and leaves files."""

import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR

from ..base.errors import Problem
from ..base.paths import Paths
from ..base.resources import document
from ..settings.model import Updates

_DAY = 86400.0
# Clocks of file servers differ a little from this host's.
_AHEAD = 3600.0
_MAKE = f"make one ({document('backup.md')})"


def problem(paths: Paths, updates: Updates) -> Problem | None:
    """What is wrong with the newest backup, if anything; None also where no place is set.

    A file of the future says nothing: its clock was wrong then, or this host's is now.
    """
    if updates.backup is None:
        return None
    where = str(updates.backup)
    try:
        times = list(_times(paths.on_host(updates.backup)))
    except FileNotFoundError:
        return Problem(where, "is missing, so there is no backup", _correct(_MAKE))
    except OSError as error:
        return Problem(
            where, f"the backup cannot be looked at ({error.strerror})", _correct("repair that")
        )
    if not times:
        return Problem(where, "is empty, so there is no backup", _correct(_MAKE))
    return _age(where, times, updates.backup_max_age)


def _age(where: str, times: Collection[float], max_age_days: int) -> Problem | None:
    now = time.time()
    past = [moment for moment in times if moment <= now + _AHEAD]
    if not past:
        return Problem(
            where,
            f"the backup is of {_date(min(times))}, which is to come",
            "look at this host's clock with `timedatectl`, and make a backup when it is right",
        )
    if now - max(past) > max_age_days * _DAY:
        return Problem(
            where,
            f"the newest backup is of {_date(max(past))}: older than the {max_age_days}d of"
            " updates.backup_max_age",
            f"look why there is no newer one, or {_MAKE}",
        )
    return None


def _correct(instead: str) -> str:
    return f"{instead}, or correct updates.backup in settings.yaml"


def _times(place: Path) -> Iterator[float]:
    """When each file was written last, in seconds since 1970.

    Directories by date are common; deeper ones may hold millions of files. What is empty, or has
    a name that begins with a dot, is a backup that did not succeed, or has not yet.
    """
    files = [place]
    if S_ISDIR(place.stat().st_mode):
        files = _shown(place)
        files += [inner for entry in files if entry.is_dir() for inner in _shown(entry)]
    for file in files:
        with suppress(FileNotFoundError):  # an old one that is removed just now
            state = file.stat()
            if state.st_size and not S_ISDIR(state.st_mode):
                yield state.st_mtime


def _shown(directory: Path) -> list[Path]:
    try:
        return [entry for entry in directory.iterdir() if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []


def _date(moment: float) -> str:
    # A date that no calendar has must not stop a check.
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(moment))
    except (OverflowError, OSError, ValueError):
        return f"{moment:.0f} s after 1970"
