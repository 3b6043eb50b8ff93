"""A cluster of PostgreSQL for a trial: small, slow on purpose, and gone afterwards."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from . import layout
from .cluster_list import Cluster
from .clusters import Clusters

# Whatever is called so is ours, and may be removed.
NAME = "altpeter_drill"
_OPTIONS = {
    # It serves nobody, and what a crash loses of it is made again.
    "listen_addresses": "", "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off",
    "wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off", "huge_pages": "off",
    # The one that serves needs the memory and the disk.
    "shared_buffers": "64MB", "maintenance_work_mem": "64MB", "max_wal_size": "256MB",
    "min_wal_size": "80MB", "max_connections": "10", "logging_collector": "off",
    # Where it is a copy of one that gives its WAL away; and before it is whole, nobody may look.
    "archive_mode": "off", "hot_standby": "off",
}  # fmt: skip
_WEIGHTS = ("CPUWeight=10", "IOWeight=10")


def remove(clusters: Clusters) -> None:
    """Remove it, or what a killed drill left of it."""
    for version in clusters.servers():
        if clusters.has(NAME):
            clusters.drop(version, NAME)


@contextmanager
def scratch_cluster(
    paths: Paths, fill: Callable[[Cluster], None] | None = None
) -> Iterator[Cluster]:
    """An empty one of the version that serves, running, on a port of its own.

    fill: puts data into its directory, which is empty then, and starts it.
    """
    clusters = Clusters(paths)
    remove(clusters)
    serving = clusters.on_port(layout.PORT)
    if serving is None:
        raise HostError(
            Problem("PostgreSQL", f"has no cluster on port {layout.PORT}", "see `pg_lsclusters`")
        )
    version = str(serving.version)
    try:
        run(
            "pg_createcluster", "--start-conf=manual", f"--port={clusters.free_port()}", version,
            NAME, timeout=600,
        )  # fmt: skip
        for name, value in _OPTIONS.items():
            run("pg_conftool", version, NAME, "set", name, value)
        unit = layout.unit(version, NAME)
        run("systemctl", "set-property", "--runtime", unit, *_WEIGHTS, check=False)
        made = clusters.existing(serving.version, NAME)
        if fill is not None:
            _empty(made.data)
            fill(made)
        else:
            clusters.start(made)
        yield clusters.existing(serving.version, NAME)
    finally:
        remove(clusters)


def _empty(directory: Path) -> None:
    for one in directory.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()
