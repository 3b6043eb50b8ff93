"""The second tier: what PostgreSQL writes, kept by pgBackRest at most a minute later.

Set up by the first run, and set right by each: the timer's run looks each half hour whether
PostgreSQL gives its files away, whether one is missing, and whether it is time for a backup.
"""

import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ..base import disk, locks
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.resources import document
from ..base.signals import termination_as_exception
from ..base.text import decoded, only_line
from ..host import archive_record, backup_record
from ..host.archive_record import ArchiveRecord
from ..host.restore_journal import interruption
from ..postgresql import archiving, own_options, upgrade_journal
from ..postgresql.archiving import Archiving
from ..postgresql.cluster_list import Cluster, ClusterList
from ..postgresql.layout import PORT
from ..settings.model import Backup
from . import pgbackrest, schedule
from .archive_content import Content
from .pgbackrest import PgBackRest

Say = Callable[[str], None]
_WAIT = 60.0
_WEEK = 7 * 86400.0
_HOUR = 3600.0
_BEHIND = 900
# What may wait for a place that is away: never more than half of what is free.
_MOST_WAITING, _LEAST_WAITING = 4 * 1024**3, 64 * 1024**2
_TAKES_EFFECT_WITHIN = 20.0


def password_file(paths: Paths) -> Path:
    """Of the archive; it is in each daily backup."""
    return paths.secrets / "point_in_time_password"


class PointInTime:
    """Of this host, as its settings say."""

    def __init__(self, paths: Paths, backup: Backup, place: Path, say: Say) -> None:
        self.paths = paths
        self.say = say
        self.backup = backup
        self.place = place
        self.program = PgBackRest(paths, place, archiving.configuration())

    @classmethod
    def of(cls, paths: Paths, backup: Backup, say: Say) -> "PointInTime | None":
        """None: the settings name no place for it."""
        place = backup.point_in_time
        return None if place is None else cls(paths, backup, place, say)

    def when_due(self) -> bool:
        """What the timer asks for; whether a backup was made."""
        record, now = archive_record.read(self.paths), time.time()
        failed = record.attempted > record.succeeded
        if failed and 0 <= now - record.attempted < _HOUR:
            return False
        try:
            if not self._is_to_be_made(record, now):
                return False
        except HostError as error:
            problem = backup_record.texts(error.problems[0])
            archive_record.write(self.paths, record.but(attempted=now, problem=problem))
            raise
        self.now()
        return True

    def now(self, *, take_over: bool = False) -> None:
        """Make a backup, and whatever it needs. take_over: also in an archive of another server."""
        with locks.locked(self.paths, locks.BACKUP, _WAIT), termination_as_exception():
            began = time.time()
            record = archive_record.read(self.paths).but(attempted=began)
            archive_record.write(self.paths, record)
            try:
                self._make(record, take_over=take_over)
            except (MatrixConfigError, OSError) as error:
                failed = backup_record.texts(problems_of(error)[0])
                known = archive_record.read(self.paths)
                archive_record.write(self.paths, known.but(problem=failed))
                raise
            record = record.but(place=str(self.place), succeeded=began, problem=(), lost=False)
            archive_record.write(self.paths, record)

    def content(self) -> Content:
        """What can be restored to; nothing before the first run."""
        pgbackrest.require_program()
        if not self.program.file.exists():
            return Content()
        return self.program.content(archiving.facts().segment_size)

    def verify(self) -> None:
        """Read all of it, and compare it with its checksums; HostError when it is damaged."""
        pgbackrest.require_program()
        self.say("Checking the archive of pgBackRest.")
        done = self.program.run("verify", "--output=text", "--verbose")
        if "status: ok" not in done.stdout:
            raise self.program.failure(done, "verify")

    def _is_to_be_made(self, record: ArchiveRecord, now: float) -> bool:
        """Also where nothing was set up yet, where something is missing, or all moved."""
        facts = archiving.facts()
        ready = record.place == str(self.place) and facts.on and self._is_configured(facts)
        # Where the cluster is another one behind the same name, only a backup finds out.
        behind = facts.waiting_for > _BEHIND
        if not ready or behind or record.problem or schedule.is_due(self.backup.time, record, now):
            return True
        content = self.program.content(facts.segment_size)
        if content.lost != record.lost:
            archive_record.write(self.paths, record.but(lost=content.lost))
        # pgBackRest takes a place that is away for one that is empty.
        return content.lost or not content.spans

    def _is_configured(self, facts: Archiving) -> bool:
        """Whether pgBackRest knows where the database is; what may wait follows the disk."""
        try:
            known = self.program.file.read_text("utf-8")
        except OSError:
            return False
        if f"pg1-path={facts.data}\n" not in known:
            return False
        self._configure(facts)
        return True

    def _make(self, record: ArchiveRecord, *, take_over: bool) -> None:
        for half in (interruption(self.paths), upgrade_journal.interruption(self.paths)):
            if half is not None:
                raise HostError(half)
        pgbackrest.require_program()
        cluster = ClusterList(self.paths).on_port(PORT)
        if cluster is None:
            raise HostError(Problem("PostgreSQL", "is not here", "see `pg_lsclusters`"))
        facts = archiving.facts()
        self._require_possible(facts)
        self._require_place(record, facts, take_over=take_over)
        self._configure(facts)
        self.program.make()
        # From here on another run knows the archive for its own.
        archive_record.write(self.paths, record.but(place=str(self.place)))
        facts = self._archiving(cluster, facts)
        full = self.program.content(facts.segment_size).full
        kind = "diff" if full and 0 <= time.time() - full < _WEEK else "full"
        self.say(f"Backing up PostgreSQL ({kind}).")
        self.program.run("backup", f"--type={kind}")

    def _require_possible(self, facts: Archiving) -> None:
        if facts.of_another:
            raise HostError(
                Problem(
                    "PostgreSQL: archive_command", "belongs to another program already",
                    "take that out of PostgreSQL's configuration, or leave out"
                    " backup.point_in_time",
                )
            )  # fmt: skip
        if facts.wal_level == "minimal":
            raise HostError(
                Problem(
                    "PostgreSQL: wal_level", "is minimal, with which no moment can be restored to",
                    "take it out of PostgreSQL's configuration, then restart that",
                )
            )  # fmt: skip

    def _require_place(self, record: ArchiveRecord, facts: Archiving, *, take_over: bool) -> None:
        where = str(self.place)
        remedy = f"mount the disk, then `install -d -o postgres -g postgres -m 700 {where}`"
        try:
            state = self.place.stat()
            same = state.st_dev == facts.data.stat().st_dev
            kept = any((self.place / name).exists() for name in ("archive", "backup"))
        except OSError as error:
            raise HostError(Problem(where, f"cannot be used ({error.strerror})", remedy)) from None
        if same:
            raise HostError(
                Problem(
                    where, "is on the disk of PostgreSQL, with which it would be lost, or fill it",
                    f"{remedy}; or write another directory",
                )
            )  # fmt: skip
        known = record.place == where
        if known and not kept:
            raise HostError(
                Problem(
                    where, "does not hold the archive any more that it held before",
                    "mount what should be there; to begin a new one, remove"
                    f" {self.paths.archive_state}",
                )
            )  # fmt: skip
        if kept and not known and not take_over:
            raise HostError(
                Problem(
                    where, "holds the archive of another server, or of this one before it was lost",
                    "`altpeter-matrix restore` brings that here; to go on without it, run"
                    " `altpeter-matrix backup now --take-over`",
                )
            )  # fmt: skip
        if not kept:
            self._make_password()

    def _make_password(self) -> None:
        """For a new archive. A file that is there is taken as it is."""
        if not password_file(self.paths).exists():
            text = f"{secrets.token_urlsafe(32)}\n"
            disk.replace(password_file(self.paths), text.encode(), 0o600)

    def _configure(self, facts: Archiving) -> None:
        text = pgbackrest.configuration(
            self.place, password(password_file(self.paths)), facts.data,
            self.backup.keep.daily, _queue(facts),
        )  # fmt: skip
        self.program.configure(text)

    def _archiving(self, cluster: Cluster, facts: Archiving) -> Archiving:
        """Have PostgreSQL give its files away. It is only restarted when that is what is missing:
        not again and again where something else keeps our file from taking effect."""
        archiving.write(self.paths, cluster, on=True)
        if facts.on:
            return facts
        own_options.reload(cluster)
        facts = _once(lambda facts: facts.on or facts.pending)
        if facts.pending:
            self.say("Restarting PostgreSQL and Synapse; requests wait meanwhile.")
            with locks.exclusive(self.paths):
                archiving.restart(self.paths, cluster)
            facts = _once(lambda facts: facts.on)
        if not facts.on:
            raise HostError(
                Problem(
                    str(archiving.file_of(self.paths, cluster)),
                    "has no effect: PostgreSQL has archive_mode, archive_command or"
                    " archive_timeout from somewhere else",
                    "look for them in `select name, sourcefile from pg_settings`, and take them"
                    " out",
                )
            )  # fmt: skip
        return facts


def _once(wanted: Callable[[Archiving], bool]) -> Archiving:
    """How it is when that is so, or after some time."""
    end = time.monotonic() + _TAKES_EFFECT_WITHIN
    while not wanted(facts := archiving.facts()) and time.monotonic() < end:
        time.sleep(0.5)
    return facts


def password(file: Path) -> str:
    """HostError unless it is there."""
    try:
        found = only_line(decoded(file.read_bytes()))
    except (OSError, UnicodeDecodeError):
        found = None
    if not found:
        raise HostError(
            Problem(
                str(file), "is missing, or does not hold one line",
                "bring it back from a daily backup, which has it at that path"
                f" ({document('backup.md')})",
            )
        )  # fmt: skip
    return found


def _queue(facts: Archiving) -> int:
    """Bytes that may wait: half of what were free without them."""
    free = shutil.disk_usage(facts.data).free + facts.waiting * facts.segment_size
    wanted = max(_LEAST_WAITING, min(_MOST_WAITING, free // 2))
    return wanted // _LEAST_WAITING * _LEAST_WAITING
