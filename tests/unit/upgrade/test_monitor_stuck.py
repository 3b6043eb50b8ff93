"""What the health gate does with a wrong version from which there is no way back."""

import time
from dataclasses import replace

import pytest

from altpeter_matrix.apply.last_apply import Record
from altpeter_matrix.apt import pins
from altpeter_matrix.base.commands import Result
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.upgrade import examination, history
from altpeter_matrix.upgrade.observation import Installed

from .gate_world import NEW, NEWER, OLD, World, gate, results, upgraded, world

__all__ = ["world"]


def stuck(world: World) -> None:
    upgraded(world)
    world.broken, world.no_way = {NEW}, Problem("1.0", "is not at hand", "put it there")
    gate(world)
    world.events.clear()


def later(world: World, hours: int) -> None:
    """Let the time pass since the version was found to be stuck."""
    book = world.book()
    assert book.trial is not None
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - hours * 3600))
    history.write(world.paths, replace(book, trial=replace(book.trial, stuck_since=then)))


def test_without_a_way_back_it_stays_and_is_told_once(world: World) -> None:
    upgraded(world)
    world.broken, world.no_way = {NEW}, Problem("database", "demands schema 95", "wait")
    gate(world)
    gate(world)
    gate(world)
    assert results(world) == [("1.0", "passed"), ("2.0", "failed")]
    trial = world.book().trial
    assert trial is not None and trial.phase == "stuck" and trial.explanation is not None
    assert "demands schema 95" in trial.explanation.what
    assert pins.held(world.paths) == ()


def test_what_was_stuck_may_recover(world: World) -> None:
    upgraded(world)
    world.broken, world.no_way = {NEW}, Problem("database", "demands schema 95", "wait")
    gate(world)
    world.broken.clear()
    gate(world)
    assert (world.book().good, world.book().trial) == (NEW, None)


def test_what_was_stuck_is_pinned_away_when_somebody_went_back_by_a_backup(world: World) -> None:
    stuck(world)
    world.installed = Installed(OLD)
    gate(world)
    assert (world.book().good, world.book().trial) == (OLD, None)
    (held,) = pins.held(world.paths)
    assert (held.version, held.retried) == (NEW.version, False)
    assert "1.0 serves again" in held.reason.what


def test_what_was_stuck_may_recover_after_many_boots(world: World) -> None:
    stuck(world)
    for number in range(5):
        world.boot = f"boot {number}"
        gate(world)
    world.broken.clear()
    gate(world)
    assert (world.book().good, world.book().trial) == (NEW, None)


def test_what_apply_noted_against_a_version_that_works_now_does_not_stand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, ...]] = []

    def run(*argv: str, **_options: object) -> Result:
        done.append(argv)
        return Result(argv, 0, "", "")

    monkeypatch.setattr(examination, "run", run)
    stuck(world)
    world.broken.clear()
    record = Record(world.paths)
    record.write(record.read().failed([Problem("https://a.test", "answers 500", "read")]))
    gate(world)
    assert ("altpeter-matrix", "apply") in done
    done.clear()
    world.installed = Installed(NEWER)
    record.write(record.read().succeeded(1, "", ()))
    gate(world)
    assert world.book().good == NEWER and done == []


def test_a_dpkg_that_refuses_is_tried_again_but_not_for_ever(world: World) -> None:
    upgraded(world)
    world.broken, world.dpkg_refuses = {NEW}, True
    for _ in range(4):
        with pytest.raises(HostError):
            gate(world)
    gate(world)
    assert results(world)[-1] == ("2.0", "failed")
    assert pins.held(world.paths) == ()
    assert world.events.count("give up") == 5


def test_a_first_version_that_is_wrong_has_no_way_back(world: World) -> None:
    world.broken = {OLD}
    gate(world)
    assert results(world) == [("1.0", "failed")]
    assert world.book().good is None
    assert not [one for one in world.events if one.startswith("install")]


@pytest.mark.parametrize("hours", [2, -2])
def test_what_was_stuck_is_tried_again_later_also_when_the_clock_was_set_back(
    world: World, hours: int
) -> None:
    stuck(world)
    world.no_way = None
    gate(world)
    assert "find 1.0" not in world.events, "it is not tried at each start"
    later(world, hours)
    gate(world)
    assert world.installed.release == OLD
    assert results(world)[-2:] == [("2.0", "failed"), ("2.0", "undone")]
    assert [one.version for one in pins.held(world.paths)] == ["2.0"]


def test_what_stays_stuck_is_not_told_again(world: World) -> None:
    stuck(world)
    before = world.book().trial
    later(world, 2)
    gate(world)
    after = world.book().trial
    assert "find 1.0" in world.events
    assert before is not None and after is not None
    assert after.explanation == before.explanation
    assert results(world)[-1] == ("2.0", "failed") and len(results(world)) == 2
