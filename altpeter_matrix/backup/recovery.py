"""The database as it was at a moment, from the archive of pgBackRest.

The cluster comes back beside the one that serves, up to that moment; what is Synapse's is taken
out of it as a dump takes it, without the one-time keys, and by no other than Synapse's role. So the
cluster that serves, its archive and the way back stay what they are.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..apply.prepared import known_settings
from ..base import disk
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..postgresql import archiving, dumping, layout, synapse_database
from ..postgresql.cluster_list import Cluster, ClusterList
from ..postgresql.clusters import Clusters
from ..postgresql.connection import Statement, as_superuser, said
from ..postgresql.scratch_cluster import scratch_cluster
from . import pgbackrest
from .archive_content import Content, Span
from .manifest import Manifest
from .pgbackrest import PgBackRest
from .point_in_time import password, password_file
from .processes import Program, fed
from .room import require_room_for

Say = Callable[[str], None]

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_GIVEN_AWAY_WITHIN = 60.0
_RECOVERED_WITHIN = 7 * 86400.0
_IN_RECOVERY = Statement("select pg_catalog.pg_is_in_recovery()")
_LOOK_EVERY = 0.5
_ANY_DAYS, _ANY_QUEUE = 9999, 64 * 1024**2


@dataclass(frozen=True)
class Archive:
    """To be restored from. password: the file with it, of this host or of its backup."""

    paths: Paths
    place: Path
    password: Path

    def content(self) -> Content:
        """What it has, with what is written just now. HostError when it cannot be read."""
        pgbackrest.require_program()
        facts = archiving.facts()
        text = pgbackrest.configuration(
            self.place, password(self.password), facts.data, _ANY_DAYS, _ANY_QUEUE
        )
        self._program.configure(text)
        if facts.on and facts.waiting * facts.segment_size < _ANY_QUEUE:
            archiving.give_away()
            end = time.monotonic() + _GIVEN_AWAY_WITHIN
            while archiving.facts().waiting and time.monotonic() < end:
                time.sleep(_LOOK_EVERY)
        return self._program.content(facts.segment_size)

    def require(self, moment: float) -> None:
        """HostError unless it has that moment."""
        version = layout.version_on_standard_port(self.paths)
        spans = [one for one in self.content().spans if one.version == version]
        if not any(span.has(moment) for span in spans):
            known = ", ".join(map(text_of, spans)) or "none"
            raise HostError(
                Problem(
                    str(self.place), f"has not what is needed for {written(moment)}; it leads to"
                    f" any moment of: {known}",
                    "name one of these; a day, or the name of a backup in `altpeter-matrix backup"
                    " list`, takes a daily backup",
                )
            )  # fmt: skip

    def fetch(self, described: Manifest, moment: float, name: str, say: Say) -> None:
        """Fill a new database of the cluster that serves with what was in Synapse's at a moment.
        HostError when there is no way, or no room. described: the backup with the files."""
        try:
            self.require(moment)
            require_room_for(self.paths, described, copies=2)
            self._copy(described.database, moment, name, say)
        finally:
            self.forget()

    def _copy(self, database: str, moment: float, name: str, say: Say) -> None:
        with self.recovered(moment, say) as cluster:
            say(f"Taking the database out of it, as {name}.")
            synapse_database.ensure(name)
            with (
                Program(dumping.dump_command(database, cluster.port), {}) as source,
                Program(
                    dumping.restore_command(name), {}, stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                ) as target,
            ):  # fmt: skip
                fed(source, target, lambda: None)
            wanted, found = dumping.counts(database, cluster.port), dumping.counts(name)
        # Their sizes differ: one has room for what was removed.
        if wrong := [one for one in wanted if one != "bytes" and wanted[one] != found[one]]:
            raise HostError(
                Problem(
                    f"the database of {written(moment)}", f"has lost {', '.join(wrong)} on the way",
                    "look at the disk, then try again",
                )
            )  # fmt: skip

    @contextmanager
    def recovered(self, moment: float | None, say: Say) -> Iterator[Cluster]:
        """A cluster of its own, as the one that served was at a moment; None: at the end."""
        at = "its end" if moment is None else written(moment)
        say(f"Restoring PostgreSQL as it was at {at}, beside the server.")
        with scratch_cluster(self.paths, lambda cluster: self._fill(cluster, moment)) as cluster:
            yield cluster

    def forget(self) -> None:
        """Remove what was needed to read it."""
        disk.remove(self._program.file)

    @property
    def _program(self) -> PgBackRest:
        return PgBackRest(self.paths, self.place, Paths().point_in_time / "restore.conf")

    def _fill(self, cluster: Cluster, moment: float | None) -> None:
        until = (
            ()
            if moment is None
            else (
                "--type=time", "--target-action=promote",
                time.strftime("--target=%Y-%m-%d %H:%M:%S+00", time.gmtime(moment)),
            )
        )  # fmt: skip
        self._program.run("restore", f"--pg1-path={cluster.data}", *until)
        try:
            Clusters(self.paths).start(cluster)
        except HostError:
            raise _not_recovered(self.place, cluster) from None
        self._wait(cluster)

    def _wait(self, cluster: Cluster) -> None:
        """Until it is whole."""
        end = time.monotonic() + _RECOVERED_WITHIN
        while True:
            try:
                if as_superuser(_IN_RECOVERY, port=cluster.port) == [[[False]]]:
                    return
            except HostError:
                pass  # it does not answer before
            now = ClusterList(self.paths).find(cluster.version, cluster.name)
            if now is None or not now.running or time.monotonic() > end:
                raise _not_recovered(self.place, cluster)
            time.sleep(_LOOK_EVERY)


def _not_recovered(place: Path, cluster: Cluster) -> HostError:
    """Its log goes with it."""
    log = Path(f"/var/log/postgresql/postgresql-{cluster.version}-{cluster.name}.log")
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fatal = [line.partition("FATAL:")[2].strip() for line in lines if "FATAL:" in line]
    what = (
        f"PostgreSQL did not come back from it: {said(fatal[-1]) if fatal else 'no reason given'}"
    )
    early = "recovery ended before" in what
    remedy = "name a moment one or two minutes earlier" if early else "take a daily backup"
    return HostError(Problem(str(place), what, remedy))


def archive_of(paths: Paths, staged: Path | None = None) -> Archive | None:
    """Where the settings say that each moment is; None: nobody ships what PostgreSQL writes.
    staged: the files of a backup, with the password of that time."""
    backup = known_settings(paths).backup
    if backup is None or backup.point_in_time is None:
        return None
    kept = password_file(paths)
    if staged is not None:
        there = staged / str(password_file(Paths())).lstrip("/")
        kept = there if there.exists() else kept
    return Archive(paths, backup.point_in_time, kept)


def written(moment: float) -> str:
    return time.strftime(_FORM, time.gmtime(moment))


def text_of(span: Span) -> str:
    return f"{written(span.begin)} to {written(span.end)}"
