"""A restore that is killed before each single step: completed by the same command, or undone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from altpeter_matrix.backup import recovery
from altpeter_matrix.backup.restoring import Restoring
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.host import backup_record, restore_journal
from altpeter_matrix.host.restore_journal import Journal, Phase

from .fake_restore import EXTRA, KEY, NAME, NEW, OLD, Killed, World, make, use

Run = Callable[[World], Restoring]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    return lambda world: use(world, monkeypatch)


def killed_at_each_step(
    root: Path, run: Run, action: Callable[[Restoring], object], before: object = None
) -> Iterator[World]:
    """The world as a kill before each step of an action leaves it."""
    for number in range(1, 200):
        world = make(root / str(number))
        if callable(before):
            before(run(world))
            world.again()
        world.kill_before = number
        try:
            action(run(world))
        except Killed:
            world.again()
            yield world
        else:
            assert number > 10, "the action took no steps"
            return
    raise AssertionError("no end")


def restored(work: Restoring) -> object:
    return work.run(None, yes=True)


def assert_is_whole(world: World, what: str) -> None:
    """Either all of it or nothing of it is in place, and Synapse runs on that."""
    assert world.running and world.databases["synapse"] == what and world.read(KEY) == what
    assert world.read("etc/altpeter-matrix/settings.yaml") == what
    assert (world.root / EXTRA).exists() == (what == OLD)
    assert not world.paths.restore_standstill.exists()
    assert "synapse_altpeter_restored" not in world.databases


def test_a_restore_brings_the_server_back_and_keeps_what_was_here(tmp_path: Path, run: Run) -> None:
    world = make(tmp_path)
    done = run(world).run(None, yes=True)
    assert_is_whole(world, NEW)
    assert world.databases[done.kept] == OLD
    assert backup_record.read(world.paths).backup == NAME
    told = restore_journal.notice(world.paths)
    assert told is not None and "--finish" in told.remedy
    assert run(world).finish() is not None
    assert set(world.databases) == {"synapse"} and not world.paths.restore.exists()
    assert restore_journal.notice(world.paths) is None


def test_without_a_yes_nothing_happens(tmp_path: Path, run: Run) -> None:
    world = make(tmp_path)
    with pytest.raises(HostError, match=r"logins included.*--yes"):
        run(world).run(None, yes=False)
    assert_is_whole(world, OLD)
    assert world.steps == 0


def test_a_killed_restore_is_completed_by_the_next(tmp_path: Path, run: Run) -> None:
    counted = 0
    for world in killed_at_each_step(tmp_path, run, restored):
        counted += 1
        journal = Journal(world.paths).read()
        if journal is not None and journal.phase is Phase.RESTORED:
            run(world).finish()
        else:
            assert world.running or journal is not None, "the next run would not know"
            run(world).run(None, yes=True)
        assert_is_whole(world, NEW)
    assert counted > 20


def test_no_half_of_a_server_is_ever_served(tmp_path: Path, run: Run) -> None:
    for world in killed_at_each_step(tmp_path, run, restored):
        half = world.databases.get("synapse") != world.read(KEY)
        assert not half or world.paths.restore_standstill.exists()
        assert not half or restore_journal.interruption(world.paths) is not None
        assert all(database == key for database, key in world.served)


def test_a_killed_restore_is_undone_by_undo(tmp_path: Path, run: Run) -> None:
    for world in killed_at_each_step(tmp_path, run, restored):
        run(world).undo(yes=True)
        assert_is_whole(world, OLD)
        assert Journal(world.paths).read() is None


def test_a_killed_undo_is_completed(tmp_path: Path, run: Run) -> None:
    for world in killed_at_each_step(tmp_path, run, lambda work: work.undo(yes=True), restored):
        run(world).undo(yes=True)
        assert_is_whole(world, OLD)


def test_a_restore_that_does_not_serve_says_both_ways(tmp_path: Path, run: Run) -> None:
    world = make(tmp_path)
    world.fails_to_serve = True
    with pytest.raises(HostError, match=r"does not answer.*`altpeter-matrix restore --undo`"):
        run(world).run(None, yes=True)
    world.fails_to_serve = False
    run(world).undo(yes=False)
    assert_is_whole(world, OLD)


def test_a_way_back_to_a_broken_server_does_not_forbid_another_restore(
    tmp_path: Path, run: Run
) -> None:
    world = make(tmp_path)
    run(world).run(None, yes=True)
    world.fails_to_serve = True
    with pytest.raises(HostError, match="does not answer"):
        run(world).undo(yes=True)
    world.fails_to_serve = False
    run(world).run(None, yes=True)
    assert_is_whole(world, NEW)


def test_a_backup_that_is_not_what_it_was_changes_nothing(tmp_path: Path, run: Run) -> None:
    world = make(tmp_path)
    world.spoiled = True
    with pytest.raises(HostError, match="has 0 users, and had 1"):
        run(world).run(None, yes=True)
    assert_is_whole(world, OLD)
    assert Journal(world.paths).read() is None and not world.paths.restore.exists()


def test_a_server_without_a_database_gets_one(tmp_path: Path, run: Run) -> None:
    world = make(tmp_path)
    world.databases.clear()
    assert run(world).run(None, yes=True).kept == ""
    assert_is_whole(world, NEW)
    assert set(world.databases) == {"synapse"}
    run(world).finish()


def test_what_is_kept_is_not_lost_by_another_restore(tmp_path: Path, run: Run) -> None:
    world = make(tmp_path)
    run(world).run(None, yes=True)
    with pytest.raises(HostError, match="is kept still"):
        run(world).run(None, yes=True)
    with pytest.raises(HostError, match="--undo --yes"):
        run(world).undo(yes=False)


def test_what_was_fetched_needs_no_repository_any_more(tmp_path: Path, run: Run) -> None:
    """The settings that came with the backup may name none."""
    for world in killed_at_each_step(tmp_path, run, restored):
        journal = Journal(world.paths).read()
        work = run(world)
        work.restic = None
        if journal is None or journal.phase is Phase.PREPARING:
            with pytest.raises(HostError, match="--from REPOSITORY"):
                work.run(None, yes=True)
        elif journal.phase is Phase.RESTORED:
            work.finish()
            assert_is_whole(world, NEW)
        else:
            work.run(None, yes=True)
            assert_is_whole(world, NEW)


MOMENT = "2026-11-01T12:00:00Z"


@pytest.fixture
def run_at(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """On a server that keeps what PostgreSQL writes."""

    def use_archive(world: World) -> Restoring:
        work = run(world)

        def fetch(_described: object, moment: float, name: str, _say: object) -> None:
            assert recovery.written(moment) == MOMENT
            world.step()
            world.databases[name] = NEW

        found = SimpleNamespace(fetch=fetch)
        monkeypatch.setattr(recovery, "archive_of", lambda _paths, _staged: found)
        return work

    return use_archive


def restored_at(work: Restoring) -> object:
    return work.run(MOMENT, yes=True)


def test_a_moment_is_what_the_server_is_like_then(tmp_path: Path, run_at: Run) -> None:
    world = make(tmp_path)
    done = run_at(world).run(MOMENT, yes=True)
    assert done.name == MOMENT and done.backup == NAME
    assert_is_whole(world, NEW)
    told = restore_journal.notice(world.paths)
    assert told is not None and f"the restore of {MOMENT}" in told.what
    assert backup_record.read(world.paths).backup == NAME
    assert run_at(world).undo(yes=True) is not None
    assert_is_whole(world, OLD)


def test_a_killed_restore_of_a_moment_is_completed_by_the_next(tmp_path: Path, run_at: Run) -> None:
    for world in killed_at_each_step(tmp_path, run_at, restored_at):
        journal = Journal(world.paths).read()
        if journal is None or journal.phase is not Phase.RESTORED:
            assert restored_at(run_at(world))
        assert_is_whole(world, NEW)
        journal = Journal(world.paths).read()
        assert journal is not None and journal.name == MOMENT
