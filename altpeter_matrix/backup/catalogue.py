"""Which backups there are in a repository.

Each is two snapshots of restic: the database, as pg_dump prints it, and the files. The second is
made when the first is whole, and it is what makes both a backup: whatever went wrong in between
left a snapshot that nothing here takes for one.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..base.errors import HostError, Problem
from ..base.paths import Paths
from .restic import Restic

MARK = "altpeter-matrix"
DATABASE, FILES = "database", "files"
DUMP = "/synapse.dump"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Snapshot:
    number: str
    time: str
    machine: str
    kind: str
    backup: str  # the name of the backup that it is a part of
    server: str


@dataclass(frozen=True)
class Backup:
    """A whole one. name: when it began, UTC."""

    name: str
    server: str
    machine: str
    database: str  # restic's numbers
    files: str

    @property
    def seconds(self) -> float:
        return seconds(self.name)


def seconds(name: str) -> float:
    """When a backup of this name began, in seconds since 1970."""
    return datetime.strptime(name, _TIME).replace(tzinfo=UTC).timestamp()


def machine(paths: Paths) -> str:
    """What tells this host from others that write to the same repository; not its machine-id,
    which is to stay confidential (machine-id(5))."""
    try:
        number = paths.on_host("/etc/machine-id").read_bytes().strip()
    except OSError:
        number = b""
    return hashlib.sha256(b"altpeter-matrix backup " + number).hexdigest()[:12]


def tags(kind: str, name: str, server: str) -> str:
    return f"{MARK},{kind},backup={name},server={server}"


def snapshots(restic: Restic) -> list[Snapshot]:
    """All of ours, the oldest first."""
    found = restic.answer("snapshots", "--tag", MARK) or []
    read = [one for one in map(_snapshot, found) if one is not None]
    return sorted(read, key=lambda one: one.backup)


def _snapshot(raw: Mapping[str, Any]) -> Snapshot | None:
    marks = [str(one) for one in raw.get("tags") or ()]
    named = dict(one.partition("=")[::2] for one in marks)
    kind = next((one for one in (DATABASE, FILES) if one in marks), None)
    name = named.get("backup", "")
    if kind is None or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", name):
        return None
    return Snapshot(
        str(raw["id"]), str(raw["time"]), str(raw.get("hostname", "")), kind, name,
        named.get("server", ""),
    )  # fmt: skip


def backups(found: Iterable[Snapshot]) -> list[Backup]:
    """The whole ones, the oldest first."""
    parts: dict[tuple[str, str], dict[str, Snapshot]] = {}
    for one in found:
        parts.setdefault((one.machine, one.backup), {})[one.kind] = one
    return [
        Backup(name, both[FILES].server, host, both[DATABASE].number, both[FILES].number)
        for (host, name), both in sorted(parts.items(), key=lambda item: item[0][1])
        if both.keys() == {DATABASE, FILES}
    ]


def left_over(found: Iterable[Snapshot], host: str) -> list[str]:
    """What of this host's is no part of a backup, because it was interrupted or forgotten."""
    every = list(found)
    whole = {number for one in backups(every) for number in (one.database, one.files)}
    return [one.number for one in every if one.machine == host and one.number not in whole]


def at(restic: Restic, server: str, moment: str | None) -> Backup:
    """The newest backup of a server, or the newest one until a moment (2026-01-31, with or without
    a time of the day, UTC; or the whole name). HostError when there is none."""
    place = str(restic.access.place)
    every = backups(snapshots(restic))
    ours = [one for one in every if one.server == server]
    if not ours:
        others = sorted({one.server for one in every})
        what = f"holds no backup of {server}" + (f", but of {', '.join(others)}" if others else "")
        remedy = "deploy with the server_name of the backup first" if others else "see backup.to"
        raise HostError(Problem(place, what, remedy))
    if moment is None:
        return ours[-1]
    until = _until(moment)
    found = [one for one in ours if one.name <= until]
    if not found:
        what = f"has no backup of {server} until {moment}: the oldest is of {ours[0].name}"
        raise HostError(Problem(place, what, "see `altpeter-matrix backup list`"))
    return found[-1]


def exact(moment: str | None, backup: Backup) -> float | None:
    """The moment that was asked for, in seconds since 1970; None where it was a day, or a backup
    by its name."""
    if moment is None or re.fullmatch(r"\d{4}-\d\d-\d\d", moment.strip()):
        return None
    until = _until(moment)
    return None if until == backup.name else seconds(until)


def _until(moment: str) -> str:
    written = moment.strip().upper().replace(" ", "T").removesuffix("Z")
    # What is left out is the end of that day or minute.
    if re.fullmatch(r"\d{4}-\d\d-\d\d", written):
        written += "T23:59"
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d", written):
        written += ":59"
    try:
        return datetime.strptime(f"{written}Z", _TIME).strftime(_TIME)
    except ValueError:
        raise HostError(
            Problem(
                f"--at {moment}", "is not a time",
                "write one of `altpeter-matrix backup list`, as in 2026-01-31 or"
                " 2026-01-31T12:00:00Z",
            )
        ) from None  # fmt: skip
