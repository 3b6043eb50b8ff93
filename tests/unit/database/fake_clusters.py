"""Clusters and services that live in memory, and can be killed before any step they take."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from altpeter_matrix.apply.activation import Host
from altpeter_matrix.apply.services import NGINX, SYNAPSE, Services, Unit
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.postgresql.cluster_content import Inventory
from altpeter_matrix.postgresql.cluster_list import Cluster
from altpeter_matrix.postgresql.clusters import Clusters
from altpeter_matrix.postgresql.connection import Row, Statement
from altpeter_matrix.postgresql.synapse_database import HAS_USERS
from altpeter_matrix.postgresql.upgrade_journal import Journal, Move


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even going back."""


@dataclass
class Clock:
    """Counts steps; kills before the one that is asked for."""

    kill_before: int | None = None
    steps: int = 0
    dead: bool = False

    def step(self) -> None:
        if self.dead:
            raise Killed
        self.steps += 1
        if self.steps == self.kill_before:
            self.dead = True
            raise Killed


@dataclass
class State:
    cluster: Cluster
    data: dict[str, str]
    start_mode: str = "auto\n"


@dataclass
class World:
    """What a killed process leaves behind."""

    clusters: dict[tuple[int, str], State] = field(default_factory=dict)
    synapse: bool = True
    served_by: list[str] = field(default_factory=list)  # what Synapse ran on, in order
    clock: Clock = field(default_factory=Clock)
    fail_at: str = ""  # the step that fails with an error
    spoiled: bool = False  # the copy lacks something
    unhealthy_on: int | None = None  # a version with which Synapse does not get well
    disk: int = 10**12
    code: list[str] = field(default_factory=list)  # of Synapse's role, in its database

    def step(self, name: str) -> None:
        self.clock.step()
        if name == self.fail_at:
            raise HostError(Problem(name, "failed", "try again"))

    def add(self, version: int, port: int, data: dict[str, str], *, running: bool = True) -> None:
        cluster = Cluster(version, "main", port, running, Path(f"/data/{version}/main"))
        self.clusters[version, "main"] = State(cluster, data)

    def on_port(self, port: int) -> State | None:
        there = [s for s in self.clusters.values() if s.cluster.port == port and s.cluster.running]
        assert len(there) <= 1, "two clusters on one port"
        return there[0] if there else None


class FakeClusters(Clusters):
    """Debian's tools, on a World."""

    def __init__(self, paths: Paths, world: World, servers: tuple[int, ...] = (15, 17)) -> None:
        super().__init__(paths)
        self.world = world
        self.installed = list(servers)

    def all(self) -> list[Cluster]:
        return [state.cluster for state in self.world.clusters.values()]

    def has(self, name: str) -> bool:
        return any(key[1] == name for key in self.world.clusters)

    def servers(self) -> list[int]:
        return self.installed

    def missing_packages(self, old: Cluster, version: int) -> str | None:
        return None

    def ask_synapse(self, cluster: Cluster, database: str, statement: Statement) -> list[Row]:
        return [[True]] if statement == HAS_USERS else [[1]]

    def inventory(self, cluster: Cluster, database: str) -> Inventory:
        self.world.step("inventory")
        return dict(self._state(cluster).data)

    def content(self, cluster: Cluster) -> list[str]:
        return sorted(self._state(cluster).data)

    def code(self, cluster: Cluster, database: str) -> dict[str, list[str]]:
        return {"postgres": [], database: self.world.code}

    def size(self, cluster: Cluster) -> int:
        return 1000

    def free(self, version: int) -> tuple[int, int, Path]:
        return 1, self.world.disk, Path("/data")

    def occupied(self, version: int, name: str) -> Path | None:
        return None

    def copy(self, cluster: Cluster, name: str) -> None:
        self.world.step("copy")
        copied = replace(cluster, name=name, port=self.free_port(), data=Path(f"/data/{name}"))
        data = dict(self._state(cluster).data)
        self.world.clusters[cluster.version, name] = State(copied, data, "manual\n")

    def upgrade(self, cluster: Cluster, version: int, database: str) -> Cluster:
        """As pg_upgradecluster does it, so that it can be killed in between."""
        old = self._state(cluster)
        self.world.step("stop old")
        assert not self.world.synapse or cluster.name != "main", "Synapse writes to it"
        old.cluster = replace(old.cluster, running=False)
        self.world.step("create new")
        made = replace(cluster, version=version, port=self.free_port(), running=False)
        new = State(made, {}, old.start_mode)
        self.world.clusters[version, cluster.name] = new
        self.world.step("copy data")
        new.data = {} if self.world.spoiled else dict(old.data)
        self.world.step("old to manual")
        old.start_mode = "manual\n"
        self.world.step("swap ports")
        old.cluster = replace(old.cluster, port=self.free_port())
        new.cluster = replace(new.cluster, port=cluster.port)
        self.world.step("start new")
        new.cluster = replace(new.cluster, running=True)
        return new.cluster

    def end_leftovers(self) -> None:
        self.world.step("end leftovers")

    def start(self, cluster: Cluster) -> None:
        self.world.step("start")
        self._state(cluster).cluster = replace(self._state(cluster).cluster, running=True)

    def stop(self, cluster: Cluster) -> None:
        self.world.step("stop")
        serving = self.world.on_port(5432)
        in_use = self.world.synapse and serving is not None and serving.cluster == cluster
        assert not in_use, "Synapse writes to it"
        self._state(cluster).cluster = replace(self._state(cluster).cluster, running=False)

    def start_mode(self, cluster: Cluster) -> str:
        return self._state(cluster).start_mode

    def set_start_mode(self, cluster: Cluster, text: str) -> None:
        self.world.step("set start mode")
        self._state(cluster).start_mode = text

    def set_port(self, cluster: Cluster, port: int) -> None:
        self.world.step("set port")
        self._state(cluster).cluster = replace(self._state(cluster).cluster, port=port)

    def drop(self, version: int, name: str, *, ours: bool = True) -> None:
        self.world.step("drop")
        self.world.clusters.pop((version, name), None)

    def _state(self, cluster: Cluster) -> State:
        return self.world.clusters[cluster.version, cluster.name]


class FakeServices(Services):
    """Synapse, which runs on whatever cluster is on its port."""

    def __init__(self, paths: Paths, world: World) -> None:
        super().__init__(paths)
        self.present = True
        self.world = world

    def units(self) -> dict[str, Unit]:
        states = {SYNAPSE: self.world.synapse, NGINX: True}
        return {
            name: Unit(name, {"ActiveState": "active" if runs else "failed"})
            for name, runs in states.items()
        }

    def start(self, program: str) -> None:
        self.world.step("start Synapse")
        assert not self.paths.database_standstill.exists(), "Synapse would not start"
        serving = self.world.on_port(5432)
        assert serving is not None, "Synapse was started without a database"
        self.world.synapse = True
        self.world.served_by.append(str(serving.cluster))

    def stop(self, program: str) -> None:
        self.world.step("stop Synapse")
        self.world.synapse = False


class FakeJournal(Journal):
    """Of a process that may be dead: then it writes nothing any more."""

    world: World

    def __init__(self, paths: Paths, world: World) -> None:
        super().__init__(paths)
        object.__setattr__(self, "world", world)

    def write(self, move: Move) -> None:
        self.world.clock.step()
        super().write(move)

    def clear(self) -> None:
        self.world.clock.step()
        super().clear()

    def release_synapse(self) -> None:
        if self.paths.database_standstill.exists():
            self.world.clock.step()
        super().release_synapse()


def host_on(paths: Paths, world: World) -> Host:
    def probe(*_settings: object, synapse: bool, **_options: object) -> list[Problem]:
        serving = world.on_port(5432)
        if synapse and serving and serving.cluster.version == world.unhealthy_on:
            return [Problem("https://matrix.example.org", "answers 502", "read the journal")]
        return []

    return Host(paths, FakeServices(paths, world), probe)
