"""What PostgreSQL writes (its WAL), given to pgBackRest: our file in the cluster's conf.d.

The command does nothing where pgBackRest or its configuration is missing: PostgreSQL keeps what it
could not give away, and a disk is full of that sooner than anybody notices.
"""

from dataclasses import dataclass
from pathlib import Path

from ..base import disk, untrusted_files
from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..bridge import beneath
from . import cluster_files, layout, own_options
from .cluster_list import Cluster, ClusterList
from .connection import Limits, Row, Statement, as_superuser, number

NAME = "altpeter-matrix-archiving.conf"
PROGRAM = "/usr/bin/pgbackrest"
STANZA = "matrix"
# How far behind the copy may be, besides the time that it takes to get there.
SECONDS = 60
_ANSWERED_WITHIN = Limits(seconds=5.0)
_START_WITHIN = 3600.0
_SYNAPSE = "matrix-synapse.service"
_ON, _OFF = "on", "off"
_SETTINGS = Statement(
    "select name, setting from pg_catalog.pg_settings where name in"
    " ('archive_mode', 'archive_command', 'archive_timeout', 'wal_level', 'wal_segment_size',"
    " 'data_directory')"
)
_WAITING = Statement(
    "select pg_catalog.count(*), coalesce(extract(epoch from pg_catalog.now() -"
    " pg_catalog.min(modification))::bigint, 0) from pg_catalog.pg_ls_archive_statusdir()"
    " where name like '%.ready'"
)
_PENDING = Statement(
    "select pending_restart from pg_catalog.pg_settings where name = 'archive_mode'"
)


@dataclass(frozen=True)
class Archiving:
    """How it is. pending: its files ask for what only a restart does. waiting: files that are not
    given away yet; waiting_for: the oldest of them, in seconds."""

    mode: str
    pending: bool
    command: str
    timeout: int
    wal_level: str
    segment_size: int
    data: Path
    waiting: int
    waiting_for: int

    @property
    def on(self) -> bool:
        """Whether it is as our file says."""
        return self.mode == _ON and self.command == command() and 0 < self.timeout <= SECONDS

    @property
    def of_another(self) -> bool:
        """Whether somebody else has PostgreSQL give its WAL away."""
        own = self.command in {command(), "(disabled)", ""}
        return self.mode != _OFF and not own


def configuration() -> Path:
    """Of pgBackRest: its user's alone, as the key of the archive is in it."""
    return Paths().point_in_time / "pgbackrest.conf"


def command() -> str:
    """What PostgreSQL runs for each file of 16 MB, in its data directory."""
    return (
        f"if test -x {PROGRAM} && test -e {configuration()}; then exec {PROGRAM}"
        f' --config={configuration()} --stanza={STANZA} --pg1-path="$PWD" archive-push "%p"; fi'
    )


def text(*, on: bool) -> str:
    """Our file. Off: archive_mode stays, with a command that does nothing any more, as another one
    takes effect only when PostgreSQL is restarted, and without a command it would keep all."""
    timeout = f"archive_timeout = {SECONDS}\n" if on else ""
    return (
        "# Written by altpeter-matrix (backup.point_in_time in its settings). To have it otherwise,"
        " change that.\n"
        f"archive_mode = {_ON}\narchive_command = '{command()}'\n{timeout}"
    )


def facts() -> Archiving:
    """How the cluster with Synapse's database has it. HostError when it does not answer."""
    return parsed(as_superuser(_SETTINGS, _PENDING, _WAITING, limits=_ANSWERED_WITHIN))


def parsed(answers: list[list[Row]]) -> Archiving:
    """Of the answers, in the order of the questions."""
    settings, pending, waiting = answers
    values = {str(row[0]): str(row[1]) for row in settings}
    count, seconds = waiting[0] if waiting else (0, 0)
    return Archiving(
        mode=values.get("archive_mode", _OFF),
        pending=pending == [[True]], command=values.get("archive_command", ""),
        timeout=int(values.get("archive_timeout", "0")),
        wal_level=values.get("wal_level", ""),
        segment_size=int(values.get("wal_segment_size", "16777216")),
        data=Path(values.get("data_directory", "/nonexistent")),
        waiting=number([[count]]) or 0, waiting_for=number([[seconds]]) or 0,
    )  # fmt: skip


def file_of(paths: Paths, cluster: Cluster) -> Path:
    return layout.configuration(paths, cluster.version, cluster.name) / "conf.d" / NAME


def write(paths: Paths, cluster: Cluster, *, on: bool) -> bool:
    """Write our file; whether it was another one."""
    file, wanted = file_of(paths, cluster), text(on=on).encode()
    if untrusted_files.content(paths, file, cluster_files.OWNER) == wanted:
        return False
    with disk.opened(file.parent, make=True):
        pass
    cluster_files.write(file, wanted, 0o644)
    return True


def give_away() -> None:
    """Have PostgreSQL begin a new file, after a transaction that is later than all others: so what
    was written until now gets into the archive, and PostgreSQL finds there where to stop."""
    as_superuser(Statement("select pg_catalog.pg_current_xact_id()"), writes=True)
    as_superuser(Statement("select pg_catalog.pg_switch_wal()"), writes=True)


def restart(paths: Paths, cluster: Cluster) -> None:
    """Restart PostgreSQL, and Synapse around it, while requests wait (bridge/beneath.py).

    Whoever stopped Synapse on purpose has it stopped still.
    """
    unit = cluster.unit
    served = run("systemctl", "is-active", "--quiet", _SYNAPSE, check=False).ok
    own_options.checkpoint(cluster)
    both = beneath.command(unit, _SYNAPSE) if served else ["systemctl", "restart", unit]
    run(*both, check=False, timeout=_START_WITHIN)
    # The unit ignores failures of the start, since a recovery may take long.
    if not ClusterList(paths).existing(cluster.version, cluster.name).running:
        disk.remove(file_of(paths, cluster))
        run("systemctl", "restart", unit, timeout=_START_WITHIN)
        if served:
            run("systemctl", "start", _SYNAPSE, timeout=_START_WITHIN)
        raise HostError(
            Problem(
                f"PostgreSQL {cluster}", f"does not start with {file_of(paths, cluster)}, which was"
                " removed again",
                f"read /var/log/postgresql/postgresql-{cluster.version}-{cluster.name}.log",
            )
        )  # fmt: skip


def stop(paths: Paths) -> None:
    """Nothing is given away any more, from now on; whatever becomes of PostgreSQL's settings."""
    disk.remove(paths.point_in_time / "pgbackrest.conf")
    for cluster in ClusterList(paths).all():
        if not file_of(paths, cluster).exists() or not write(paths, cluster, on=False):
            continue
        if cluster.running:
            own_options.reload(cluster)
