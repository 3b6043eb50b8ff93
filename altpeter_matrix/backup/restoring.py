"""`altpeter-matrix restore`: the server as a backup has it, with a way back.

All that takes long happens beside the server, which goes on: the database comes back under another
name and is compared with what was counted when it was backed up. Then Synapse is stopped, files
and database change places, and what was here before is kept. Each phase is in the journal before
its first step, so the same command completes what was killed.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..apply.activation import Host
from ..apply.prepared import known_settings, read_settings
from ..apply.services import SYNAPSE
from ..apply.serving import Serving
from ..apply.transaction import apply
from ..base import disk, locks
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.signals import termination_as_exception
from ..host import archive_record, backup_record
from ..host.restore_journal import Journal, Phase, Restore
from ..postgresql import dumping, scratch_cluster
from ..postgresql.clusters import Clusters
from ..settings.model import parse_settings_text
from . import catalogue, manifest, media, recovery, restored_database
from .access import Access
from .catalogue import Backup
from .making import Say
from .manifest import Manifest
from .restic import Restic
from .restored_files import RestoredFiles
from .room import require_room_for

AGAIN = "altpeter-matrix restore"
_WAIT = 60.0


class Restoring:
    """The command's three forms."""

    def __init__(self, host: Host, access: Access | None, say: Say) -> None:
        """access: None: nobody said where backups are. What was fetched needs none any more."""
        self.host = host
        self.paths = host.paths
        self.say = say
        self.restic = Restic(host.paths, access) if access else None
        self.journal = Journal(host.paths)
        self.serving = Serving(host)

    def run(self, moment: str | None, *, yes: bool, start: bool = True) -> Restore:
        """Bring a backup back, or complete a restore that was interrupted.

        yes: also where that loses what was written since. start: whether Synapse is started then.
        """
        with self._alone():
            found = self.journal.read()
            if found is not None and found.phase is Phase.RESTORED:
                raise HostError(
                    Problem(
                        "altpeter-matrix",
                        f"what was here before the restore of {found.name} is kept still",
                        f"`{AGAIN} --finish` removes it, `{AGAIN} --undo` returns to it",
                    )
                )
            if found is not None and found.phase in {Phase.RETURNING, Phase.LEAVING}:
                # Whether it serves does not matter any more: it is about to be replaced.
                self.say("Completing the way back first.")
                self._clean(self._put_back(found))
                found = None
            if found is None or found.phase is Phase.PREPARING:
                found = self._prepared(moment, yes=yes)
            else:
                self.say(f"Completing the restore of {found.name}.")
            return self._switched(found, start=start)

    def undo(self, *, yes: bool) -> Restore | None:
        """Return to what was here before; None: nothing was restored.

        yes: also when that loses what was written since.
        """
        with self._alone():
            found = self.journal.read()
            if found is None:
                return None
            if found.phase is Phase.PREPARING:
                self._clean(found)
                return found
            if found.phase is Phase.RESTORED and not yes:
                raise HostError(
                    Problem(
                        f"PostgreSQL database {found.kept or found.database}",
                        f"is as it was at {found.time}: what was written since would not be on the"
                        " server any more",
                        f"if that is right, run `{AGAIN} --undo --yes`",
                    )
                )
            return self._return(found)

    def finish(self) -> Restore | None:
        """Remove what was here before; None: there is nothing of it."""
        with self._alone():
            found = self.journal.read()
            if found is None or found.phase is not Phase.RESTORED:
                return None
            if found.kept:
                dumping.drop(found.kept)
            self._clean(found)
            return found

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locks.locked(self.paths, locks.BACKUP, _WAIT), termination_as_exception():
            yield

    def _prepared(self, moment: str | None, *, yes: bool) -> Restore:
        """All of it beside what serves. Whatever goes wrong, nothing has changed."""
        restic = self._repository()
        server = known_settings(self.paths).server_name
        backup = catalogue.at(restic, server, moment)
        described = manifest.read(restic, backup)
        exact = catalogue.exact(moment, backup)
        if not yes:
            raise HostError(
                Problem(
                    f"the backup {backup.name}",
                    f"has {described.before.get('users', 0)} users and"
                    f" {described.before.get('events', 0)} events of {server}; what was written"
                    " since then would not be on the server any more, logins included",
                    f"if that is right, run `{AGAIN} --yes` with the same options",
                )
            )
        require_room_for(self.paths, described)
        stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime())
        kept = f"{described.database[:40]}_before_{stamp}"
        restore = Restore(Phase.PREPARING, backup.name, described.database, kept)
        self.journal.write(restore.now(Phase.PREPARING))
        try:
            self._fetch_files(restic, backup, described)
            dumping.drop(restore.scratch)
            archive = recovery.archive_of(self.paths, self._files(described).staged)
            if archive is None or exact is None:
                restored_database.fetch(restic, backup, described, self.say, restore.scratch)
            else:
                archive.fetch(described, exact, restore.scratch, self.say)
                restore = replace(restore, moment=recovery.written(exact))
                self.journal.write(restore)
            self.say("Restoring media.")
            media.restore(restic, backup, described)
        except BaseException:
            self._clean(restore)
            raise
        return restore

    def _repository(self) -> Restic:
        """HostError when it cannot be used."""
        if self.restic is None:
            raise HostError(
                Problem(
                    "settings.yaml: backup", "names no place",
                    "say where the backup is: `--from REPOSITORY --password-file FILE`",
                )
            )  # fmt: skip
        self.restic.prepare()
        self.restic.access.require_password()
        self.restic.access.ensure_ssh_key()
        if self.restic.repository() is None:
            place = str(self.restic.access.place)
            raise HostError(Problem(place, "holds no repository", "see backup.to, or --from"))
        self.restic.unlock()
        return self.restic

    def _fetch_files(self, restic: Restic, backup: Backup, described: Manifest) -> None:
        self.say(f"Fetching the files of {backup.name}.")
        shutil.rmtree(self.paths.restore, ignore_errors=True)
        disk.ensure_directory(self.paths.restore, 0o700)
        files = self._files(described)
        included = [word for name in described.files for word in ("--include", name)]
        restic.run("restore", backup.files, "--target", str(files.staged), *included)
        settings = files.staged / str(Paths().settings).lstrip("/")
        # The package of this host may be another one than that of the backup.
        parse_settings_text(settings.read_text("utf-8"), source=f"settings.yaml of {backup.name}")
        self._note(described)

    def _switched(self, restore: Restore, *, start: bool) -> Restore:
        """Only forward from here, or all the way back."""
        try:
            if restore.phase is not Phase.STARTING:
                with locks.exclusive(self.paths):
                    self.journal.write(restore := restore.now(Phase.SWITCHING))
                    self.say("Stopping Synapse, and changing over.")
                    self.host.services.stop(SYNAPSE)
                    files = self._files(self._noted())
                    files.keep_present()
                    files.install()
                    self._change_databases(restore)
                    restore = restore.now(Phase.STARTING)
            self._serve(restore, start=start)
        except (MatrixConfigError, OSError) as error:
            raise HostError(
                Problem(
                    one.where, f"{one.what} (the restore is not finished)",
                    f"{one.remedy}; then `{AGAIN}` goes on, and `{AGAIN} --undo` returns to what"
                    " was here before",
                )
                for one in problems_of(error)
            ) from error  # fmt: skip
        kept = restore.kept if dumping.exists(restore.kept) else ""
        self._go_on_with_backups(restore)
        restore = replace(restore, kept=kept).now(Phase.RESTORED)
        self.journal.write(restore)
        return restore

    def _change_databases(self, restore: Restore) -> None:
        """May be done any number of times."""
        if dumping.exists(restore.scratch):
            if dumping.exists(restore.database):
                dumping.rename(restore.database, restore.kept)
            dumping.rename(restore.scratch, restore.database)

    def _return(self, restore: Restore) -> Restore:
        """All the way back. May be done any number of times."""
        restore = self._put_back(restore)
        self._serve(restore, start=True)
        self._clean(restore)
        return restore

    def _put_back(self, restore: Restore) -> Restore:
        """Have in place what was here before."""
        if restore.phase is not Phase.LEAVING:
            with locks.exclusive(self.paths):
                self.journal.write(restore := restore.now(Phase.RETURNING))
                self.say("Returning to what was here before.")
                self.host.services.stop(SYNAPSE)
                files = self._files(self._noted())
                if files.before.exists():
                    files.put_back()
                if restore.kept and dumping.exists(restore.kept):
                    if dumping.exists(restore.database):
                        dumping.drop(restore.scratch)
                        dumping.rename(restore.database, restore.scratch)
                    dumping.rename(restore.kept, restore.database)
                restore = restore.now(Phase.LEAVING)
        return restore

    def _serve(self, restore: Restore, *, start: bool) -> None:
        """All is in place. Noted here, as a kill may have left Synapse held back still."""
        self.journal.write(restore)
        apply(self.host)
        if start:
            self.say("Starting Synapse.")
            self.serving.start()

    def _clean(self, restore: Restore) -> None:
        dumping.drop(restore.scratch)
        if restore.phase is Phase.PREPARING:
            scratch_cluster.remove(Clusters(self.paths))
        shutil.rmtree(self.paths.restore, ignore_errors=True)
        self.journal.clear()

    def _go_on_with_backups(self, restore: Restore) -> None:
        """The next backup goes to where this one came from, if that is what the settings say."""
        backup = read_settings(self.paths).backup
        if self.restic is None or backup is None or backup.to != self.restic.access.place:
            return
        try:
            number = self.restic.repository() or ""
        except HostError:
            number = ""  # the server is back all the same; the next backup says what is wrong
        record = backup_record.read(self.paths).but(
            place=str(backup.to), repository=number, backup=restore.backup,
            succeeded=catalogue.seconds(restore.backup), taken_over=time.time(), problem=(),
        )  # fmt: skip
        backup_record.write(self.paths, record)
        if restore.moment and backup.point_in_time is not None:
            place = str(backup.point_in_time)
            archive_record.write(self.paths, archive_record.read(self.paths).but(place=place))

    def _files(self, described: Manifest) -> RestoredFiles:
        return RestoredFiles(self.paths, described, self.restic.access if self.restic else None)

    def _note(self, described: Manifest) -> None:
        """For a run that completes this one: it needs the repository no more."""
        described.write(self.paths.restore / "manifest.json")

    def _noted(self) -> Manifest:
        return manifest.parsed((self.paths.restore / "manifest.json").read_bytes(), "restore")
