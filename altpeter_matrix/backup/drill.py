"""`altpeter-matrix backup drill`: the newest backup restored beside the server, for a trial.

A backup that nobody has restored is none. So its database goes into a cluster of its own, Synapse's
own code takes it for its own there, what is in it is compared with what was counted when it was
made, and some media with those that the server has.
"""

import json
import os
import random
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..apply import host_facts
from ..apply.preflight import require_synapse
from ..base import locks, untrusted_files
from ..base.accounts import SYNAPSE_USER, read_accounts
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.signals import termination_as_exception
from ..host import archive_record, backup_record
from ..host.restore_journal import interruption
from ..postgresql import dumping, layout, scratch_cluster
from ..postgresql.clusters import Clusters
from ..postgresql.connection import said
from ..synapse import config_check
from . import catalogue, manifest, recovery, restored_database, schedule
from .access import Access
from .catalogue import Backup
from .making import settings_for_backup
from .manifest import Manifest
from .restic import Restic
from .room import require_room_for

_CODE = Path(__file__).with_name("in_synapse.py")
_DATABASE = "synapse"
_SAMPLES = 20
_MINUTE = 60.0
_SAMPLED_FROM = 20_000
_SAMPLING = 120.0  # seconds
_LARGEST_SAMPLE = 64 * 1024**2


@dataclass(frozen=True)
class Drilled:
    """A drill that went well. seconds: that a restore of the database takes."""

    backup: str
    seconds: float


class Drill:
    """On this host, as its settings say."""

    def __init__(self, paths: Paths, say: Callable[[str], None]) -> None:
        if half := interruption(paths):
            raise HostError(half)
        self.paths = paths
        self.say = say
        self.settings, self.backup = settings_for_backup(paths)
        self.restic = Restic(paths, Access.by(self.backup))

    def when_due(self) -> Drilled | None:
        """What the timer asks for: None when it is not time."""
        record = backup_record.read(self.paths)
        if schedule.is_drill_due(self.backup.drill, record, time.time()):
            return self.now()
        if not locks.held(self.paths, locks.BACKUP):
            # Of a killed drill: as large as the database, and running until the next one.
            with locks.locked(self.paths, locks.BACKUP, _MINUTE):
                scratch_cluster.remove(Clusters(self.paths))
        return None

    def now(self) -> Drilled:
        """Try the newest backup; HostError when it could not be restored. Either is noted."""
        with locks.locked(self.paths, locks.BACKUP, _MINUTE), termination_as_exception():
            newest = ""
            try:
                self.restic.prepare()
                self.restic.access.require_password()
                self.restic.unlock()
                backup = catalogue.at(self.restic, self.settings.server_name, None)
                newest = backup.name
                seconds = self._try(backup)
            except (MatrixConfigError, OSError) as error:
                self._note(newest, problems_of(error)[0], None)
                raise
            self._note(newest, None, seconds)
            return Drilled(newest, seconds)

    def _note(self, backup: str, problem: Problem | None, seconds: float | None) -> None:
        record = backup_record.read(self.paths)
        backup_record.write(
            self.paths,
            record.but(
                drilled=time.time(), drilled_backup=backup,
                drill_problem=backup_record.texts(problem),
                restore_seconds=record.restore_seconds if seconds is None else seconds,
            ),
        )  # fmt: skip

    def _try(self, backup: Backup) -> float:
        described = manifest.read(self.restic, backup)
        require_room_for(self.paths, described)
        self._compare_media(backup, described)
        self.say("Making a cluster of PostgreSQL for the trial.")
        with scratch_cluster.scratch_cluster(self.paths) as cluster:
            seconds = restored_database.fetch(
                self.restic, backup, described, self.say, _DATABASE, cluster.port
            )
            self._ask_synapse(cluster.port, _DATABASE)
        self._try_archive(described)
        return seconds

    def _try_archive(self, described: Manifest) -> None:
        """What PostgreSQL has written until just now, where that is kept (recovery.py)."""
        archive = recovery.archive_of(self.paths)
        if archive is None or not archive_record.read(self.paths).succeeded:
            return
        try:
            before = dumping.counts(described.database)
            archive.content()  # gives away what is written just now
            with archive.recovered(None, self.say) as cluster:
                found = dumping.counts(described.database, cluster.port)
                self._ask_synapse(cluster.port, described.database)
        finally:
            archive.forget()
        after = dumping.counts(described.database)
        kept = replace(described, name=f"in {archive.place}", before=before, after=after)
        if wrong := manifest.differences(kept, found):
            raise HostError(wrong)

    def _ask_synapse(self, port: int, database: str) -> None:
        self.say("Having Synapse's own code read it.")
        accounts = read_accounts(self.paths.root)
        facts = host_facts.read_facts(self.paths, accounts, self.settings)
        question = {
            "database": {
                "user": SYNAPSE_USER, "dbname": database, "host": layout.SOCKET_DIRECTORY,
                "port": port,
            },
        }  # fmt: skip
        with config_check.configuration(self.paths, self.paths.current.resolve()) as arguments:
            files = [word for word in arguments if word != "-c"]
            result = config_check.as_synapse(
                self.paths, require_synapse(facts), "-I", "-c", _CODE.read_text("utf-8"),
                text=json.dumps({**question, "files": files}),
            )  # fmt: skip
        answer = _answer(result.stdout)
        if answer is None or "error" in answer:
            why = answer["error"] if answer else config_check.reason(result)
            raise HostError(
                Problem("Synapse", f"cannot use the database of the backup: {said(str(why))}",
                        "take an older backup for a restore, and look what changed since")
            )  # fmt: skip

    def _compare_media(self, backup: Backup, described: Manifest) -> None:
        """Some uploads of before that backup, as the server has them and as the backup has them."""
        self.say("Comparing media.")
        before = backup.seconds - _MINUTE
        # As Synapse's user: it can put anything there.
        sample: list[tuple[str, str]] = untrusted_files.as_user(
            self.paths, lambda: _sample(self.paths, described, before), within=_SAMPLING
        )
        for name, wanted in sample:
            if self._digest(backup, name) != wanted:
                raise HostError(
                    Problem(
                        f"the backup {backup.name}", f"has another {name} than the server",
                        "take an older backup for a restore; `altpeter-matrix backup verify --all`"
                        " says more",
                    )
                )  # fmt: skip

    def _digest(self, backup: Backup, name: str) -> str:
        digest = sha256()
        with self.restic.program("dump", backup.files, name) as program:
            while part := program.output.read(1024**2):
                digest.update(part)
            return digest.hexdigest() if program.wait(lambda: None) == 0 else ""


def _sample(paths: Paths, described: Manifest, before: float) -> list[tuple[str, str]]:
    """Paths and SHA-256 of some files that were there before a moment."""
    found: list[Path] = []
    for top in manifest.media_directories(described.media):
        for directory, _, names in os.walk(paths.on_host(top)):
            files = [Path(directory) / name for name in names]
            found += [file for file in files if _is_old_file(file.lstat(), before)]
            if len(found) > _SAMPLED_FROM:
                break
    chosen = random.sample(found, min(_SAMPLES, len(found)))  # nosec B311
    return [
        (f"/{file.relative_to(paths.root)}", sha256(file.read_bytes()).hexdigest())
        for file in chosen
    ]


def _is_old_file(state: os.stat_result, before: float) -> bool:
    regular = stat.S_ISREG(state.st_mode)
    return regular and state.st_mtime < before and state.st_size < _LARGEST_SAMPLE


def _answer(output: str) -> dict[str, Any] | None:
    try:
        found = json.loads(output.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return found if isinstance(found, dict) else None
