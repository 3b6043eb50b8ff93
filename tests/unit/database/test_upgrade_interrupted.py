"""A move to another PostgreSQL that is killed before each single step: undone, or completed."""

import shutil
from collections.abc import Callable

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.database.upgrade import DatabaseUpgrade
from altpeter_matrix.postgresql import upgrade_journal
from altpeter_matrix.postgresql.upgrade_journal import Journal, Move, Phase

from .fake_clusters import Clock, Killed, World
from .moves import DATA, assert_serves, assert_serves_untouched, command, phase, refusal

Make = Callable[[], tuple[Paths, World]]


def killed_at_each_step(
    make: Make, action: Callable[[DatabaseUpgrade], object]
) -> "list[tuple[Paths, World]]":
    """The world as a kill before each step of an action leaves it."""
    left = []
    for number in range(1, 100):
        paths, world = make()
        world.clock = Clock(kill_before=number)
        try:
            action(command(paths, world))
        except Killed:
            world.clock = Clock()
            left.append((paths, world))
        else:
            assert number > 3, "the action took no steps"
            return left
    raise AssertionError("no end")


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory, paths: Paths) -> Make:
    def made() -> tuple[Paths, World]:
        root = tmp_path_factory.mktemp("host") / "root"
        shutil.copytree(paths.root, root)
        world = World()
        world.add(15, 5432, dict(DATA))
        return Paths(root), world

    return made


def test_a_killed_upgrade_is_undone_by_undo(make: Make) -> None:
    worlds = killed_at_each_step(make, lambda upgrade: upgrade.run(None))
    assert len(worlds) > 10
    for paths, world in worlds:
        interrupted = phase(paths)
        assert world.synapse or interrupted is not None, "the next run would not know"
        command(paths, world).undo(yes=True)
        assert_serves(world, paths, 15)


def test_a_killed_upgrade_is_completed_by_the_next(make: Make) -> None:
    for paths, world in killed_at_each_step(make, lambda upgrade: upgrade.run(None)):
        users_came = "17/main" in world.served_by
        command(paths, world).run(None)
        assert_serves(world, paths, 17)
        if users_came:
            assert "15/main" not in world.served_by, "what they wrote would be lost"


def test_a_killed_recovery_is_completed_by_the_next(
    make: Make,
) -> None:
    """A second kill, while the first one's remains are cleared up."""

    def interrupted() -> tuple[Paths, World]:
        paths, world = make()
        world.clock = Clock(kill_before=9)
        with pytest.raises(Killed):
            command(paths, world).run(None)
        world.clock = Clock()
        return paths, world

    for paths, world in killed_at_each_step(interrupted, lambda upgrade: upgrade.undo(yes=False)):
        command(paths, world).undo(yes=False)
        assert_serves(world, paths, 15)


def test_a_killed_undo_is_completed(make: Make) -> None:
    def moved() -> tuple[Paths, World]:
        paths, world = make()
        command(paths, world).run(None)
        return paths, world

    for paths, world in killed_at_each_step(moved, lambda upgrade: upgrade.undo(yes=True)):
        command(paths, world).undo(yes=True)
        assert_serves(world, paths, 15)
        assert (17, "main") in world.clusters, "what was written since is kept"


def test_a_killed_rehearsal_leaves_the_server_alone(
    make: Make,
) -> None:
    for paths, world in killed_at_each_step(make, lambda upgrade: upgrade.rehearse(None)):
        assert_serves_untouched(world)
        command(paths, world).run(None)
        assert_serves(world, paths, 17)
        assert set(world.clusters) == {(15, "main"), (17, "main")}


def test_an_interrupted_move_holds_apply_back(paths: Paths) -> None:
    assert upgrade_journal.interruption(paths) is None
    move = Move(Phase.MOVING, 15, 17, "main", 5432, "auto\n", synapse_ran=True)
    Journal(paths).write(move)
    assert paths.database_standstill.exists()
    problem = upgrade_journal.interruption(paths)
    assert problem is not None and "--undo" in problem.remedy
    Journal(paths).write(move.now(Phase.MOVED))
    assert upgrade_journal.interruption(paths) is None
    assert not paths.database_standstill.exists()


def test_a_damaged_journal_stops_everything(paths: Paths, world: World) -> None:
    for text in ("{", "[]", '{"format": 2}', '{"format": 1, "phase": "odd"}'):
        paths.database_move.write_text(text)
        assert "cannot be read" in refusal(lambda: command(paths, world).run(None))
    assert world.clock.steps == 0
