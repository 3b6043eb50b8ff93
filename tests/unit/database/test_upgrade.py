"""The move to another PostgreSQL: refusals, the rehearsal, and the way back."""

import pytest

from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.postgresql.upgrade_journal import Phase

from .fake_clusters import FakeClusters, World
from .moves import DATA, assert_serves, assert_serves_untouched, command, phase, refusal


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
