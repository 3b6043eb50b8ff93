"""How the health gate goes on after it was killed, and what others do to it."""

from dataclasses import replace

import pytest

from altpeter_matrix.apt import kept_packages, pins
from altpeter_matrix.apt.release import Release
from altpeter_matrix.base import timestamps
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.upgrade import history
from altpeter_matrix.upgrade.history import Book, Trial
from altpeter_matrix.upgrade.observation import Installed

from .gate_world import NEW, NEWER, OLD, Killed, World, gate, results, upgraded, world

__all__ = ["world"]


@pytest.mark.parametrize(
    "moment",
    ["judge 2.0", "find", "install 1.0", "stopped for 1.0", "installed 1.0", "judge 1.0"],
)
def test_a_gate_killed_at_any_moment_is_completed_by_the_next(world: World, moment: str) -> None:
    upgraded(world)
    world.broken, world.kill_at = {NEW}, moment
    with pytest.raises(Killed):
        gate(world)
    pinned = [one.version for one in pins.held(world.paths)]
    assert pinned == ([] if moment in {"judge 2.0", "find"} else ["2.0"]), "before it is undone"
    gate(world)
    assert results(world)[-1] == ("2.0", "undone")
    assert world.installed.release == OLD
    assert (world.book().good, world.book().trial) == (OLD, None)
    assert [one.version for one in pins.held(world.paths)] == ["2.0"]
    assert not world.paths.refused.exists(), "Synapse could not start any more"


def test_after_a_power_cut_the_old_version_is_installed_once_more(world: World) -> None:
    upgraded(world)
    world.broken, world.kill_at = {NEW}, "installed 1.0"
    with pytest.raises(Killed):
        gate(world)
    world.boot = "second"
    gate(world)
    assert world.events.count("installed 1.0") == 2
    assert results(world)[-1] == ("2.0", "undone")


def test_files_of_ours_that_somebody_changed_are_brought_back_before_a_version_is_judged(
    world: World,
) -> None:
    upgraded(world)
    world.events.clear()
    world.spoilt = True
    gate(world)
    assert world.events[:3] == ["judge 2.0", "altpeter-matrix apply", "judge 2.0"]
    assert results(world)[-1] == ("2.0", "passed")


def test_where_apply_refuses_no_version_is_judged(world: World) -> None:
    upgraded(world)
    world.spoilt, world.apply_works = True, False
    gate(world)
    trial = world.book().trial
    assert trial is not None and trial.phase == "watching"
    assert world.installed.release == NEW
    world.apply_works = True
    gate(world)
    assert results(world)[-1] == ("2.0", "passed")


def test_going_back_never_replaces_what_a_person_has_installed_meanwhile(world: World) -> None:
    upgraded(world)
    world.broken, world.meanwhile = {NEW}, NEWER
    gate(world)
    assert world.installed.release == NEWER == world.book().good
    assert results(world)[-2:] == [("2.0", "replaced"), ("3.0", "passed")]
    assert not world.paths.refused.exists()


def test_another_version_after_a_killed_way_back_may_start(world: World) -> None:
    upgraded(world)
    world.broken, world.kill_at = {NEW}, "stopped for 1.0"
    with pytest.raises(Killed):
        gate(world)
    assert world.paths.refused.exists()
    world.installed = Installed(NEWER)
    gate(world)
    assert not world.paths.refused.exists()
    assert world.book().good == NEWER


def test_a_version_that_comes_while_the_gate_is_busy_is_judged_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgraded(world)

    def keep(_paths: Paths, release: Release, installed: bool) -> None:
        if release == NEW:
            world.installed = Installed(NEWER)

    monkeypatch.setattr(kept_packages, "keep", keep)
    gate(world)
    assert world.book().good == NEWER


@pytest.mark.parametrize(
    "found",
    [
        Installed(OLD, "half-installed"),
        Installed(NEW, "unpacked"),
        Installed(NEW, "unpacked", unfit=True),
    ],
)
def test_what_an_interrupted_dpkg_left_is_no_versions_fault(world: World, found: Installed) -> None:
    upgraded(world)
    world.installed, world.broken_off = found, not found.half_replaced
    gate(world)
    assert world.installed == Installed(OLD)
    assert (world.book().good, world.book().trial) == (OLD, None)
    assert pins.held(world.paths) == ()


@pytest.mark.parametrize(
    ("found", "then"),
    [
        (Installed(NEW, "half-installed"), OLD),
        (Installed(NEW, "unpacked", unfit=True), OLD),
        (Installed(NEW, "half-configured"), NEW),
    ],
)
def test_a_version_that_dpkg_half_replaced_while_it_was_watched_is_made_whole(
    world: World, found: Installed, then: Release
) -> None:
    upgraded(world)
    world.interrupted = found
    gate(world)
    assert world.installed.release == then
    assert pins.held(world.paths) == ()


def test_a_machine_that_goes_down_with_a_version_is_reason_enough_but_not_in_a_migration(
    world: World,
) -> None:
    for migrating, result in ((True, "passed"), (False, "undone")):
        upgraded(world)
        trial = Trial(NEW, OLD, timestamps.now(), boots=3, boot="3", migrating=migrating)
        history.write(world.paths, replace(world.book(), trial=trial))
        world.boot = f"4 {migrating}"
        gate(world)
        assert results(world)[-1] == ("2.0", result)
        world.installed = Installed(OLD)
        gate(world)


def test_a_way_back_without_a_beginning_is_no_way_and_the_version_is_judged(world: World) -> None:
    for trial in (
        Trial(NEW, None, timestamps.now(), phase="going back"),
        Trial(NEW, OLD, timestamps.now(), phase="going back"),
    ):
        history.write(world.paths, Book(OLD, trial))
        world.installed = Installed(NEW)
        gate(world)
        assert results(world) == [("2.0", "passed")]
