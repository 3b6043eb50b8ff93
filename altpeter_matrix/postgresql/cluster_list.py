"""Which PostgreSQL clusters there are, as Debian's own tools tell."""

from dataclasses import dataclass
from pathlib import Path

from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from . import layout


@dataclass(frozen=True)
class Cluster:
    version: int
    name: str
    port: int
    running: bool
    data: Path

    def __str__(self) -> str:
        return f"{self.version}/{self.name}"

    @property
    def unit(self) -> str:
        return layout.unit(self.version, self.name)


class ClusterList:
    """The clusters of this host, looked at."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def all(self) -> list[Cluster]:
        if not self.paths.on_host("/usr/bin/pg_lsclusters").exists():
            return []
        found = []
        for row in map(str.split, run("pg_lsclusters", "--no-header").stdout.splitlines()):
            version, name, port, state = row[:4]
            running = state.partition(",")[0] == "online"
            # A broken cluster may lack some columns.
            data = next((word for word in row[4:] if word.startswith("/")), "/nonexistent")
            found.append(Cluster(int(version), name, int(port), running, Path(data)))
        return found

    def find(self, version: int, name: str) -> Cluster | None:
        return next((c for c in self.all() if (c.version, c.name) == (version, name)), None)

    def existing(self, version: int, name: str) -> Cluster:
        """The cluster; HostError when it is not there."""
        found = self.find(version, name)
        if found is None:
            raise HostError(
                Problem(f"PostgreSQL {version}/{name}", "is not there", "look at `pg_lsclusters`")
            )
        return found

    def has(self, name: str) -> bool:
        """Whether there is a cluster of this name, or a part of one."""
        places = (
            place(self.paths, version, name)
            for version in self.servers() for place in (layout.configuration, layout.data)
        )  # fmt: skip
        return any(place.exists() for place in places)

    def on_port(self, port: int) -> Cluster | None:
        """The cluster that listens there; of those that only say they would, the newest."""
        there = [cluster for cluster in self.all() if cluster.port == port]
        return max(there, key=lambda one: (one.running, one.version), default=None)

    def servers(self) -> list[int]:
        return layout.servers(self.paths)

    def free_port(self) -> int:
        """A port that no cluster is configured for."""
        taken = {cluster.port for cluster in self.all()}
        return next(port for port in range(layout.PORT + 1, 65536) if port not in taken)

    def occupied(self, version: int, name: str) -> Path | None:
        """A directory in the place of a cluster that is not there."""
        place = layout.data(self.paths, version, name)
        there = place.is_dir() and any(place.iterdir())
        return place if there and self.find(version, name) is None else None
