"""PostgreSQL clusters, seen and changed with Debian's own tools (postgresql-common)."""

import os
import shutil
from pathlib import Path

from ..base import disk, untrusted_files
from ..base.commands import last_lines, run
from ..base.errors import HostError, Problem
from . import archiving, cluster_content, cluster_files, layout, own_options, superuser_code
from .cluster_content import Inventory
from .cluster_list import Cluster, ClusterList
from .connection import (
    OWN_DATABASES,
    Limits,
    Row,
    Statement,
    as_superuser,
    as_superuser_of_catalog,
    as_synapse,
)

# Copying a large database may take hours; Ctrl-C ends it in good order.
_LONG = 7 * 24 * 3600.0
# As may counting the rows of all its tables, whose names need some room.
_COUNTING = Limits(seconds=24 * 3600, size=64 * 1024**2)
# What takes long runs in a unit of its own: when this process is killed, the next can end it.
_UNIT = "altpeter-matrix-database.service"
_FOR_OWNER = "altpeter-matrix-owner-only.conf"
_STARTED_FOR_OWNER = """\
[Service]
ExecStart=
ExecStart=-/usr/bin/pg_ctlcluster --skip-systemctl-redirect -o "-c hba_file={rules}" %i start
"""


class Clusters(ClusterList):
    """The clusters of this host, to be asked, copied and changed."""

    def missing_packages(self, old: Cluster, version: int) -> str | None:
        """What pg_upgradecluster says is installed for the old version and not for the new."""
        checked = run(
            "pg_upgradecluster", "--check", "--rename=none", "-v", str(version),
            str(old.version), old.name, check=False, timeout=120,
        )  # fmt: skip
        return None if checked.ok else last_lines(checked.output, 6)

    def ask_synapse(self, cluster: Cluster, database: str, statement: Statement) -> list[Row]:
        """The rows that a running cluster answers to Synapse's role."""
        [rows] = as_synapse(database, statement, port=cluster.port, limits=_COUNTING)
        return rows

    def inventory(self, cluster: Cluster, database: str) -> Inventory:
        """Everything in a running cluster that must be the same in its copy."""
        return cluster_content.parse(
            (
                *as_superuser(*cluster_content.SHARED, port=cluster.port),
                *as_synapse(
                    database, *cluster_content.OF_ALL_TABLES, port=cluster.port,
                    limits=_COUNTING, own_path=False,
                ),
                *as_synapse(database, *cluster_content.OF_SYNAPSE, port=cluster.port),
            )
        )  # fmt: skip

    def content(self, cluster: Cluster) -> list[str]:
        """What a running cluster holds that a new one does not."""
        found: list[str] = []
        for database in OWN_DATABASES:
            answers = as_superuser(*cluster_content.CONTENT, port=cluster.port, database=database)
            found += [str(row[0]) for rows in answers for row in rows]
        return list(dict.fromkeys(found))

    def code(self, cluster: Cluster, database: str) -> dict[str, list[str]]:
        """By database, what a move of a running cluster would run; database: Synapse's."""
        found = {}
        [databases] = as_superuser(superuser_code.DATABASES, port=cluster.port)
        for name in (str(row[0]) for row in databases):
            questions = superuser_code.questions(synapses=name == database)
            answers = as_superuser_of_catalog(name, *questions, port=cluster.port)
            found[name] = [str(row[0]) for rows in answers for row in rows]
        return found

    def size(self, cluster: Cluster) -> int:
        """Bytes that a copy of a cluster takes."""
        shown = run("du", "--summarize", "--bytes", "--exclude=pg_wal", cluster.data, timeout=3600)
        return int(shown.stdout.split()[0])

    def free(self, version: int) -> tuple[int, int, Path]:
        """The device that clusters of a version are on, the bytes free there, and a path on it."""
        wanted = layout.data(self.paths, version, "none")
        place = next(path for path in wanted.parents if path.exists())
        state = os.statvfs(place)
        return place.stat().st_dev, state.f_bavail * state.f_frsize, place

    def copy(self, cluster: Cluster, name: str) -> None:
        """Make and start a copy of a running cluster as it is now, on a port of its own."""
        data = layout.data(self.paths, cluster.version, name)
        run("install", "-d", "-o", "postgres", "-g", "postgres", "-m", "700", data)
        self._in_unit(
            f"/usr/lib/postgresql/{cluster.version}/bin/pg_basebackup",
            f"--host={layout.SOCKET_DIRECTORY}", f"--port={cluster.port}", f"--pgdata={data}",
            "--checkpoint=fast", "--no-password",
            user="postgres",
        )  # fmt: skip
        renamed = {
            str(cluster.data): str(data),
            f"{cluster.version}/{cluster.name}": f"{cluster.version}/{name}",
            f"{cluster.version}-{cluster.name}": f"{cluster.version}-{name}",
        }
        source = layout.configuration(self.paths, cluster.version, cluster.name)
        target = layout.configuration(self.paths, cluster.version, name)
        # From the data's directory pg_createcluster moves it to where it belongs.
        cluster_files.copy(self.paths, source, data, renamed)
        # Not our sizes, which a copy would take of the memory once more, nor what gives its writes
        # to the archive: conf.d wins over what is said below.
        ours = {own_options.NAME, archiving.NAME}
        cluster_files.copy_further(self.paths, source, target, ours)
        run("pg_createcluster", "--start-conf=manual", str(cluster.version), name, timeout=600)
        made = self.existing(cluster.version, name)
        for option, value in (
            # A copy must neither push into the real one's archive nor take its share of memory.
            ("archive_mode", "off"), ("shared_buffers", "64MB"), ("huge_pages", "off"),
        ):  # fmt: skip
            run("pg_conftool", str(made.version), name, "set", option, value)
        self.start(made)

    def upgrade(self, cluster: Cluster, version: int, database: str) -> Cluster:
        """Copy a cluster into a new one of a newer version, which takes over the port; the old
        one stays as it is, stopped, and is not started at boot any more.

        From the moment when it was looked through for code until it is stopped nobody else can
        connect to the old one: it is started for its owner alone, and stopped by the copying.
        database: Synapse's.
        """
        self._start_for_owner(cluster)
        if wrong := superuser_code.problems(self.code(cluster, database)):
            raise HostError(wrong)
        self._in_unit(
            # Files are copied, never linked: the old cluster is the way back.
            "pg_upgradecluster", "--method=upgrade", "-v", str(version),
            str(cluster.version), cluster.name,
        )  # fmt: skip
        made = self.existing(version, cluster.name)
        if cluster_files.copy_further(
            self.paths,
            layout.configuration(self.paths, cluster.version, cluster.name),
            layout.configuration(self.paths, version, cluster.name),
        ):
            self.stop(made)
        if not self.existing(version, cluster.name).running:
            self.start(made)
        return self.existing(version, cluster.name)

    def end_leftovers(self) -> None:
        """End what a killed run left running."""
        run("systemctl", "stop", _UNIT, check=False, timeout=600)
        run("systemctl", "reset-failed", _UNIT, check=False)
        for left in self._systemd.glob(f"postgresql@*.service.d/{_FOR_OWNER}"):
            disk.remove(left)

    def start(self, cluster: Cluster) -> None:
        run("systemctl", "daemon-reload")
        done = run("systemctl", "start", cluster.unit, check=False, timeout=_LONG)
        # The unit ignores failures of the start, since a recovery may take long.
        if not done.ok or not self.existing(cluster.version, cluster.name).running:
            log = f"/var/log/postgresql/postgresql-{cluster.version}-{cluster.name}.log"
            raise HostError(
                Problem(f"PostgreSQL {cluster}", f"did not start {_end_of(log)}", f"read {log}")
            )

    def stop(self, cluster: Cluster) -> None:
        run("systemctl", "stop", cluster.unit, timeout=3600)
        if self.existing(cluster.version, cluster.name).running:
            # One that was not started by systemd.
            run("pg_ctlcluster", str(cluster.version), cluster.name, "stop", timeout=3600)

    def start_mode(self, cluster: Cluster) -> str:
        """The content of its start.conf."""
        file = layout.configuration(self.paths, cluster.version, cluster.name) / "start.conf"
        text = untrusted_files.content(self.paths, file, cluster_files.OWNER)
        return "auto\n" if text is None else text.decode()

    def set_start_mode(self, cluster: Cluster, text: str) -> None:
        file = layout.configuration(self.paths, cluster.version, cluster.name) / "start.conf"
        cluster_files.write(file, text.encode(), 0o644)
        run("systemctl", "daemon-reload")

    def set_port(self, cluster: Cluster, port: int) -> None:
        run("pg_conftool", str(cluster.version), cluster.name, "set", "port", str(port))

    def drop(self, version: int, name: str, *, ours: bool = True) -> None:
        """Remove a cluster with all its data.

        ours: made by this tool, so that what a killed run left of it goes, too.
        """
        places = [
            layout.configuration(self.paths, version, name), layout.data(self.paths, version, name),
        ]  # fmt: skip
        if places[0].exists():
            unit = layout.unit(version, name)
            run("systemctl", "stop", unit, check=False, timeout=3600)
            run("pg_dropcluster", "--stop", str(version), name, check=not ours, timeout=3600)
        for place in places if ours else ():
            shutil.rmtree(place, ignore_errors=True)
        run("systemctl", "daemon-reload")
        if self.find(version, name) is not None:
            raise HostError(
                Problem(
                    f"PostgreSQL {version}/{name}", "could not be removed",
                    f"look at `pg_dropcluster --stop {version} {name}`",
                )
            )  # fmt: skip

    def _start_for_owner(self, cluster: Cluster) -> None:
        """Start a cluster anew so that only PostgreSQL's user can connect, until its next start."""
        rules = self.paths.runtime / "postgresql-owner-only.hba"
        disk.ensure_directory(self.paths.runtime, 0o755)
        disk.replace(rules, f"local all {cluster_files.OWNER} peer\n".encode(), 0o644)
        drop_in = self._systemd / f"{cluster.unit}.d" / _FOR_OWNER
        disk.ensure_directory(drop_in.parent, 0o755)
        disk.replace(drop_in, _STARTED_FOR_OWNER.format(rules=rules).encode(), 0o644)
        try:
            self.stop(cluster)
            self.start(cluster)
        finally:
            disk.remove(drop_in)
            run("systemctl", "daemon-reload")

    @property
    def _systemd(self) -> Path:
        """Where drop-ins are that no boot finds any more."""
        return self.paths.on_host("/run/systemd/system")

    def _in_unit(self, *argv: str, user: str = "root") -> None:
        result = run(
            "systemd-run", f"--unit={_UNIT}", "--quiet", "--collect", "--wait", "--pipe",
            f"--uid={user}", "--property=KillMode=control-group", "--", *argv,
            timeout=_LONG, check=False,
        )  # fmt: skip
        if not result.ok:
            raise HostError(
                Problem(
                    Path(argv[0]).name, f"failed: {last_lines(result.output, 6)}",
                    "remove the cause; there may be more in /var/log/postgresql",
                )
            )  # fmt: skip


def _end_of(log: str) -> str:
    try:
        return f"({last_lines(Path(log).read_text(encoding='utf-8', errors='replace'))})"
    except OSError:
        return ""
