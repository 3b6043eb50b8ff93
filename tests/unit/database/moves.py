"""The move of a server's database, and what has to hold afterwards."""

from collections.abc import Callable

import pytest

from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.database.upgrade import DatabaseUpgrade
from altpeter_matrix.postgresql.upgrade_journal import Journal, Phase

from .fake_clusters import FakeClusters, FakeJournal, World, host_on

DATA = {"rows of public.users": "3", "newest event": "42", "schema version": "94"}


def command(paths: Paths, world: World, servers: tuple[int, ...] = (15, 17)) -> DatabaseUpgrade:
    upgrade = DatabaseUpgrade(
        host_on(paths, world), lambda _text: None, FakeClusters(paths, world, servers)
    )
    upgrade.journal = FakeJournal(paths, world)
    return upgrade


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(HostError) as caught:
        action()
    return str(caught.value)


def assert_serves(world: World, paths: Paths, version: int) -> None:
    """Synapse runs, on that version's cluster with all data, and this outlasts a reboot."""
    serving = world.on_port(5432)
    assert serving is not None
    assert (serving.cluster.version, serving.cluster.name) == (version, "main")
    assert serving.data == DATA
    assert serving.start_mode == "auto\n"
    assert world.synapse
    assert not paths.database_standstill.exists()
    autostarted = [s for s in world.clusters.values() if s.start_mode == "auto\n"]
    assert autostarted == [serving]


def phase(paths: Paths) -> Phase | None:
    move = Journal(paths).read()
    return move.phase if move else None


def assert_serves_untouched(world: World) -> None:
    serving = world.on_port(5432)
    assert serving is not None and serving.cluster.version == 15 and serving.data == DATA
    assert world.synapse and world.served_by == []
