"""`altpeter-matrix backup now`: one backup, whole or not at all (catalogue.py says how)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..apply.prepared import read_settings
from ..base import disk, locks
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.signals import termination_as_exception
from ..host import backup_record
from ..host.backup_record import BackupRecord
from ..host.restore_journal import interruption
from ..postgresql import dumping
from ..settings.model import Backup, Settings
from ..synapse import config_files
from . import catalogue, manifest, schedule, upkeep
from .access import Access
from .catalogue import DATABASE, DUMP, FILES
from .manifest import Manifest
from .processes import Program, fed
from .restic import Restic

Say = Callable[[str], None]
_WAIT = 60.0
# restic's: a snapshot was made, and some of the files could not be read.
_INCOMPLETE = 3


@dataclass(frozen=True)
class Made:
    """A backup that was made."""

    name: str
    seconds: float
    size: int  # of the dump
    warning: Problem | None


def settings_for_backup(paths: Paths) -> tuple[Settings, Backup]:
    """HostError where the settings name no place."""
    settings = read_settings(paths)
    if settings.backup is None:
        raise HostError(
            Problem(
                "settings.yaml: backup", "names no place, so there is no backup",
                "add `backup: {to: /srv/backup/matrix}`, then `altpeter-matrix apply`",
            )
        )  # fmt: skip
    return settings, settings.backup


class Making:
    """On this host, as its settings say."""

    def __init__(self, paths: Paths, say: Say) -> None:
        self.paths = paths
        self.say = say
        if half := interruption(paths):
            raise HostError(half)
        self.settings, self.backup = settings_for_backup(paths)
        self.restic = Restic(paths, Access.by(self.backup))
        self.machine = catalogue.machine(paths)

    def when_due(self) -> Made | None:
        """What the timer asks for: None when it is not time."""
        if not schedule.is_due(self.backup.time, backup_record.read(self.paths), time.time()):
            return None
        return self.now()

    def now(self, *, take_over: bool = False) -> Made:
        """Make one. take_over: also where another host has made those that are there."""
        with locks.locked(self.paths, locks.BACKUP, _WAIT), termination_as_exception():
            began = time.time()
            record = backup_record.read(self.paths).but(attempted=began)
            backup_record.write(self.paths, record)
            try:
                record, made = self._make(record, began, take_over)
            except (MatrixConfigError, OSError) as error:
                # What was learnt of the repository until then is written already.
                failed = backup_record.texts(problems_of(error)[0])
                backup_record.write(self.paths, backup_record.read(self.paths).but(problem=failed))
                raise
            backup_record.write(self.paths, record)
            self._care(record)
            return made

    def _make(
        self, record: BackupRecord, began: float, take_over: bool
    ) -> tuple[BackupRecord, Made]:
        database = self._database()
        record = self._opened(record)
        backup_record.write(self.paths, record)
        found = catalogue.snapshots(self.restic)
        warning = self._strangers(record, found, take_over)
        if left := catalogue.left_over(found, self.machine):
            self.say("Removing what an interrupted backup left.")
            self.restic.run("forget", *left)
        name = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
        described = manifest.of_host(self.paths, name, self.settings.server_name, database)
        described = self._dumped(described)
        self._files(described)
        seconds = time.time() - began
        record = record.but(
            succeeded=began, backup=name, seconds=seconds, problem=(),
            warning=backup_record.texts(warning),
        )  # fmt: skip
        return record, Made(name, seconds, described.size, warning)

    def _database(self) -> str:
        database = config_files.database_of(self.paths)
        if database is None:
            raise HostError(
                Problem(
                    "synapse.database", "is not on this host, so it cannot be backed up from here",
                    "back it up where it is, have updates.backup watch that, and leave out backup",
                )
            )  # fmt: skip
        return database

    def _opened(self, record: BackupRecord) -> BackupRecord:
        """Have a repository; the record with its number."""
        self.restic.prepare()
        place = str(self.backup.to)
        self.restic.require_room()
        self.restic.access.ensure_ssh_key()
        known = record.repository if record.place == place else ""
        made = not known and self.restic.access.make_password()
        self.restic.access.require_password()
        try:
            number = self.restic.repository()
        except HostError:
            if made:  # there is a repository, which has another one
                disk.remove(self.backup.password_file)
            raise
        if number is None and known:
            # A disk that is not mounted looks like this.
            raise HostError(
                Problem(
                    place, "does not hold the repository any more that it held before",
                    f"mount what should be there; to begin a new one, remove"
                    f" {self.paths.backup_state}",
                )
            )  # fmt: skip
        if number is None:
            self.say(f"Making a repository in {place}.")
            number = self.restic.make()
            if made:
                self.say(f"Made {self.backup.password_file}: keep a copy of it elsewhere.")
        elif known and number != known:
            raise HostError(
                Problem(
                    place, f"holds another repository ({number[:8]}) than before ({known[:8]})",
                    f"bring the right one back; to go on with this one, remove"
                    f" {self.paths.backup_state}",
                )
            )  # fmt: skip
        self.restic.unlock()
        if number != known:
            # Where a restore has noted the place alone, the rest of the record is about it, too.
            other = {"succeeded": 0, "backup": ""} if known or record.place != place else {}
            record = record.but(place=place, repository=number, **other)
        return record

    def _strangers(
        self, record: BackupRecord, found: list[catalogue.Snapshot], take_over: bool
    ) -> Problem | None:
        """Backups of the same server that another host has made. HostError when this host has none
        there: it may be an empty one that is still to be restored."""
        others = [
            one for one in catalogue.backups(found)
            if one.server == self.settings.server_name and one.machine != self.machine
        ]  # fmt: skip
        if not others:
            return None
        newest, place = others[-1], str(self.backup.to)
        if not record.succeeded and not take_over:
            raise HostError(
                Problem(
                    place, f"holds backups of {newest.server} that another host has made, the"
                    f" newest {newest.name}",
                    "`altpeter-matrix restore` brings it here; to go on without it, run"
                    " `altpeter-matrix backup now --take-over`",
                )
            )  # fmt: skip
        if newest.seconds <= max(record.succeeded, record.taken_over) or take_over:
            return None
        return Problem(
            place,
            f"another host has made a backup of {newest.server} there, too, {newest.name}",
            "find that host: no two may run under one server name",
        )

    def _dumped(self, described: Manifest) -> Manifest:
        """The database into the repository."""
        self.say("Backing up the database.")
        before = dumping.counts(described.database)
        tags = catalogue.tags(DATABASE, described.name, described.server)
        command = ("--stdin", "--stdin-filename", DUMP.lstrip("/"), "--tag", tags, *self._common())
        with (
            Program(dumping.dump_command(described.database), {}) as dump,
            self.restic.program("backup", *command, takes=True) as kept,
        ):
            flow = fed(dump, kept, self.restic.require_room)
        after = dumping.counts(described.database)
        return replace(described, size=flow.size, sha256=flow.sha256, before=before, after=after)

    def _files(self, described: Manifest) -> None:
        """The files, and with them the word that this is a backup."""
        self.say("Backing up configuration, secrets and media.")
        names = [*described.files, *manifest.media_directories(described.media)]
        places = [one for one in names if self.paths.on_host(one).exists()]
        tags = catalogue.tags(FILES, described.name, described.server)
        words = [
            "backup",
            "--tag",
            tags,
            *self._common(),
            str(described.write(self.paths.backup_manifest)),
        ]
        for _ in range(2):
            # Somebody may have removed an upload just then; twice is no chance.
            result = self.restic.run(*words, *places, check=False)
            if result.returncode != _INCOMPLETE:
                break
            self._forget_incomplete(described.name)
        if result.returncode == _INCOMPLETE:
            unread = " | ".join(result.stderr.splitlines()[-3:])
            raise HostError(
                Problem("files of the server", f"cannot be read: {unread}", "look at them")
            )
        if not result.ok:
            raise self.restic.failure(result)

    def _forget_incomplete(self, name: str) -> None:
        """restic has made a snapshot of what it could read; it must not count."""
        ids = [
            one.number for one in catalogue.snapshots(self.restic)
            if one.backup == name and one.kind == FILES and one.machine == self.machine
        ]  # fmt: skip
        if ids:
            self.restic.run("forget", *ids)

    def _common(self) -> list[str]:
        return ["--quiet", "--json", "--host", self.machine]

    def _care(self, record: BackupRecord) -> None:
        """Old backups go, and each week a part of all is read again."""
        upkeep.forget(self.restic, self.backup.keep, self.machine)
        if schedule.is_to_be_verified(record, time.time()):
            upkeep.verify(self.paths, self.restic, self.say)
            upkeep.prune(self.restic, self.say)
