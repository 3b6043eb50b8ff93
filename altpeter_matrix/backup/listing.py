"""`altpeter-matrix backup list`: what there is, and what became of the last backup and drill."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from ..base.errors import HostError
from ..base.paths import Paths
from ..host import backup_record
from ..host.backup_record import BackupRecord, problem_of
from . import catalogue
from .access import Access
from .archive_content import Span
from .catalogue import Backup
from .making import settings_for_backup
from .point_in_time import PointInTime
from .restic import Restic


@dataclass(frozen=True)
class Listing:
    """backups: the oldest first. here: what tells this host's from those of others. moments: of
    which each can be restored to; None: the settings do not ask for that. unknown: why nobody can
    tell just now."""

    place: str
    server: str
    here: str
    backups: tuple[Backup, ...]
    record: BackupRecord
    moments: tuple[Span, ...] | None = None
    unknown: str = ""


def listing(paths: Paths) -> Listing:
    """HostError when the repository cannot be looked at."""
    settings, backup = settings_for_backup(paths)
    restic = Restic(paths, Access.by(backup))
    restic.prepare()
    restic.access.require_password()
    found = catalogue.backups(catalogue.snapshots(restic))
    moments, unknown = _moments(PointInTime.of(paths, backup, lambda _text: None))
    return Listing(
        str(backup.to), settings.server_name, catalogue.machine(paths), tuple(found),
        backup_record.read(paths), moments, unknown,
    )  # fmt: skip


def _moments(archive: PointInTime | None) -> tuple[tuple[Span, ...] | None, str]:
    """The daily backups are of use without it."""
    if archive is None:
        return None, ""
    try:
        return archive.content().spans, ""
    except HostError as error:
        return (), str(error.problems[0])


def rows(found: Listing) -> Iterator[tuple[str, str]]:
    """When a backup began, and what is to be said of it."""
    for one in found.backups:
        notes = [] if one.server == found.server else [f"of {one.server}"]
        notes += [] if one.machine == found.here else ["made by another host"]
        if one.name == found.record.drilled_backup and found.record.drilled_well:
            notes.append("restored for a trial")
        yield one.name, ", ".join(notes)


def text(found: Listing) -> Iterator[str]:
    yield f"{len(found.backups)} backups in {found.place}"
    for name, notes in rows(found):
        yield f"  {name}  {notes}".rstrip()
    for span in found.moments or ():
        yield f"Any moment from {_date(span.begin)} to {_date(span.end)} can be restored."
    if found.unknown:
        yield f"Which moments can be restored is not known: {found.unknown}"
    elif found.moments is not None and not found.moments:
        yield "No moment between them can be restored yet (`altpeter-matrix backup now`)."
    record = found.record
    if record.succeeded:
        yield f"The newest of this host took {record.seconds:.0f} s."
    if failed := problem_of(record.problem):
        yield f"The last one failed: {failed}"
    if record.verified:
        bad = problem_of(record.unverified)
        outcome = f"it is damaged: {bad}" if bad else "no damage was found"
        yield f"The repository was checked at {_date(record.verified)}: {outcome}."
    if record.drilled:
        bad = problem_of(record.drill_problem)
        outcome = f"could not be restored: {bad}" if bad else (
            f"was restored for a trial in {record.restore_seconds:.0f} s"
        )  # fmt: skip
        yield f"At {_date(record.drilled)} the backup {record.drilled_backup} {outcome}."
    else:
        yield "None was restored for a trial yet (`altpeter-matrix backup drill`)."


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
