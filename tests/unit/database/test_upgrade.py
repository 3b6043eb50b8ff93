"""The move to another PostgreSQL: refusals, the way back, and a kill before each single step."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.database.upgrade import DatabaseUpgrade
from altpeter_matrix.postgresql import upgrade_journal
from altpeter_matrix.postgresql.upgrade_journal import Journal, Move, Phase

from .fake_clusters import Clock, FakeClusters, FakeJournal, Killed, World, host_on

Make = Callable[[], tuple[Paths, World]]
DATA = {"rows of public.users": "3", "newest event": "42", "schema version": "94"}
CONFIGURATION = """\
database:
  name: psycopg2
  args: {dbname: synapse, user: matrix-synapse, host: /var/run/postgresql}
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    for path, text in {
        "etc/nginx/nginx.conf": "",
        "etc/os-release": 'ID=debian\nVERSION_ID="13"\n',
        "etc/altpeter-matrix/settings.yaml": "server_name: example.org\n",
        "var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml": CONFIGURATION,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return paths


@pytest.fixture
def world() -> World:
    world = World()
    world.add(15, 5432, dict(DATA))
    return world


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


def test_upgrade_serves_from_the_new_cluster_and_keeps_the_old(paths: Paths, world: World) -> None:
    assert command(paths, world).run(None)
    assert_serves(world, paths, 17)
    old = world.clusters[15, "main"]
    assert (old.data, old.cluster.running, old.start_mode) == (DATA, False, "manual\n")
    assert world.served_by == ["17/main"]
    assert phase(paths) is Phase.MOVED
    assert not command(paths, world).run(None), "a second run has nothing to do"


def test_a_missing_server_is_named_before_any_change(paths: Paths, world: World) -> None:
    said = refusal(lambda: command(paths, world, servers=(15,)).run(None))
    assert "`apt install postgresql-17`" in said
    assert "`apt install postgresql-18`" in refusal(lambda: command(paths, world).run(18))
    assert world.clock.steps == 0


def test_a_cluster_in_use_is_not_replaced(paths: Paths, world: World) -> None:
    world.add(17, 5433, {"database shop": ""})
    assert "database shop" in refusal(lambda: command(paths, world).run(None))
    assert world.clock.steps == 0
    assert_serves_untouched(world)


def test_a_stopped_cluster_is_not_taken_for_empty(paths: Paths, world: World) -> None:
    world.add(17, 5433, {}, running=False)
    assert "is stopped, so it may hold anything" in refusal(lambda: command(paths, world).run(None))
    assert world.clock.steps == 0


def test_a_database_with_code_in_it_is_not_moved(paths: Paths, world: World) -> None:
    world.code = [f"function evil.f{number}(text)" for number in range(5)] + ["domain x\x1b[2J\n"]
    for action in (command(paths, world).run, command(paths, world).rehearse):
        said = refusal(lambda action=action: action(None))  # type: ignore[misc]
        assert said.startswith("PostgreSQL database synapse: function evil.f0(text), ")
        assert "and 3 more" in said and "run it as superuser" in said
        assert said.isprintable()
    assert world.clock.steps == 0
    assert_serves_untouched(world)


def test_an_empty_cluster_gives_way(paths: Paths, world: World) -> None:
    world.add(17, 5433, {})
    assert command(paths, world).run(None)
    assert_serves(world, paths, 17)


def assert_serves_untouched(world: World) -> None:
    serving = world.on_port(5432)
    assert serving is not None and serving.cluster.version == 15 and serving.data == DATA
    assert world.synapse and world.served_by == []


def test_a_short_disk_is_told_in_bytes(paths: Paths, world: World) -> None:
    world.disk = 4096
    for action in (command(paths, world).run, command(paths, world).rehearse):
        said = refusal(lambda action=action: action(None))  # type: ignore[misc]
        assert "has 4096 free" in said and "needs 268436556 bytes" in said
    assert world.clock.steps == 0


def test_rehearsal_needs_room_for_two_copies(paths: Paths, world: World) -> None:
    world.disk = 400 * 1024**2
    assert "free some space" in refusal(lambda: command(paths, world).rehearse(None))
    assert command(paths, world).run(None)


def test_an_unhealthy_server_is_not_moved(paths: Paths, world: World) -> None:
    world.unhealthy_on = 15
    assert "before anything was changed" in refusal(lambda: command(paths, world).run(None))
    assert world.clock.steps == 0


STEPS = (
    "drop", "stop Synapse", "inventory", "stop old", "create new", "copy data", "old to manual",
    "swap ports", "start new",
)  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_goes_back(paths: Paths, world: World, step: str) -> None:
    world.fail_at = step
    upgrade = command(paths, world)

    def failing_once() -> None:
        original = world.step

        def fail_once(name: str) -> None:
            if name == step:
                world.fail_at, world.step = "", original  # type: ignore[method-assign]
                raise HostError(Problem(step, "failed", "try again"))
            original(name)

        world.fail_at = ""
        world.step = fail_once  # type: ignore[method-assign]
        upgrade.run(None)

    said = refusal(failing_once)
    assert "15/main serves as before" in said
    assert_serves(world, paths, 15)
    assert (17, "main") not in world.clusters
    assert phase(paths) is None


def test_a_copy_that_differs_is_given_up(paths: Paths, world: World) -> None:
    world.spoiled = True
    said = refusal(lambda: command(paths, world).run(None))
    assert "rows of public.users: missing, but 3 before (15/main serves as before)" in said
    assert_serves(world, paths, 15)
    assert world.served_by == ["15/main"], "Synapse never ran on the bad copy"


def test_synapse_that_does_not_get_well_goes_back(paths: Paths, world: World) -> None:
    world.unhealthy_on = 17
    assert "15/main serves as before" in refusal(lambda: command(paths, world).run(None))
    assert_serves(world, paths, 15)


def test_ctrl_c_goes_back(paths: Paths, world: World) -> None:
    original = world.step

    def interrupt(name: str) -> None:
        if name == "copy data":
            world.step = original  # type: ignore[method-assign]
            raise KeyboardInterrupt
        original(name)

    world.step = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        command(paths, world).run(None)
    assert_serves(world, paths, 15)


def test_rehearsal_leaves_nothing_and_stops_nothing(paths: Paths, world: World) -> None:
    assert command(paths, world).rehearse(None)
    assert_serves_untouched(world)
    assert list(world.clusters) == [(15, "main")]
    assert "seconds" in paths.database_rehearsal.read_text()


def test_a_rehearsal_that_finds_a_difference_says_so(paths: Paths, world: World) -> None:
    world.spoiled = True
    assert "the copy in PostgreSQL 17" in refusal(lambda: command(paths, world).rehearse(None))
    assert list(world.clusters) == [(15, "main")]


def test_undo_says_what_is_lost_and_wants_a_yes(paths: Paths, world: World) -> None:
    command(paths, world).run(None)
    said = refusal(lambda: command(paths, world).undo(yes=False))
    assert "1 events" in said and "--undo --yes" in said
    assert_serves(world, paths, 17)
    assert command(paths, world).undo(yes=True)
    assert_serves(world, paths, 15)
    assert world.clusters[17, "main"].data == DATA, "kept"
    assert not command(paths, world).undo(yes=True), "nothing more to undo"


def test_upgrade_after_an_undo(paths: Paths, world: World) -> None:
    command(paths, world).run(None)
    command(paths, world).undo(yes=True)
    world.clusters[17, "main"].data["database shop"] = "only in the old copy"
    command(paths, world).rehearse(None)
    assert command(paths, world).run(None)
    assert_serves(world, paths, 17)


def test_finish_removes_what_does_not_serve(paths: Paths, world: World) -> None:
    assert not command(paths, world).finish()
    command(paths, world).run(None)
    command(paths, world).undo(yes=True)
    assert command(paths, world).finish()
    assert list(world.clusters) == [(15, "main")]
    command(paths, world).run(None)
    assert command(paths, world).finish()
    assert list(world.clusters) == [(17, "main")]
    assert_serves(world, paths, 17)
    assert not command(paths, world).undo(yes=True)


def test_finish_never_removes_the_cluster_that_serves(paths: Paths, world: World) -> None:
    command(paths, world).run(None)
    clusters = FakeClusters(paths, world)
    clusters.set_port(world.clusters[17, "main"].cluster, 5999)
    clusters.set_port(world.clusters[15, "main"].cluster, 5432)
    clusters.start(world.clusters[15, "main"].cluster)
    assert "nothing was removed" in refusal(lambda: command(paths, world).finish())
    assert set(world.clusters) == {(15, "main"), (17, "main")}


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
