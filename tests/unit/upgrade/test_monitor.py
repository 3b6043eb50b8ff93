"""What the health gate does with its verdicts."""

from altpeter_matrix.apt import pins
from altpeter_matrix.base import timestamps
from altpeter_matrix.base.errors import Problem
from altpeter_matrix.upgrade import history
from altpeter_matrix.upgrade.history import Book, Trial
from altpeter_matrix.upgrade.observation import Installed

from .gate_world import NEW, NEWER, OLD, World, gate, results, upgraded, world

__all__ = ["world"]


def test_a_version_that_works_is_remembered_and_its_package_kept(world: World) -> None:
    upgraded(world)
    gate(world)
    assert world.book().good == NEW
    assert results(world) == [("1.0", "passed"), ("2.0", "passed")]
    assert world.events == ["judge 2.0", "keep 2.0"]


def test_a_wrong_certificate_is_told_but_is_no_fault_of_a_version(world: World) -> None:
    upgraded(world)
    world.outside = [Problem("nginx", "does not serve the certificate", "reload it")]
    gate(world)
    assert world.book().good == NEW
    assert "does not serve the certificate" in world.book().entries[-1].note


def test_how_long_a_version_may_take_depends_on_the_one_that_works(world: World) -> None:
    world.takes = 60
    upgraded(world)
    gate(world)
    world.takes, world.installed, world.broken = 0, Installed(NEWER), {NEWER}
    gate(world)
    assert world.installed.release == NEW
    first, second, third, back = world.patience
    assert (first, second, third, back) == (300, 180, 180, 180)


def test_a_version_that_is_known_is_not_judged_again(world: World) -> None:
    gate(world)
    world.events.clear()
    gate(world)
    assert world.events == ["keep 1.0"]


def test_a_wrong_version_is_pinned_before_it_is_undone(world: World) -> None:
    upgraded(world)
    world.broken = {NEW}
    gate(world)
    assert results(world)[-1] == ("2.0", "undone")
    assert (world.book().good, world.book().trial) == (OLD, None)
    (pin,) = pins.held(world.paths)
    assert (pin.version, pin.retried) == ("2.0", False)
    assert "answers 500" in pin.reason.what


def test_a_newer_version_that_works_takes_the_pin_away(world: World) -> None:
    upgraded(world)
    world.broken = {NEW}
    gate(world)
    pins.hold_back(
        world.paths, NEW.package, "4.0", Problem("x", "needs PostgreSQL 16", "y"), retried=True
    )
    world.installed = Installed(NEWER)
    gate(world)
    assert world.book().good == NEWER
    # What the check of candidates holds back is its own matter.
    assert [one.version for one in pins.held(world.paths)] == ["4.0"]


def test_a_version_that_replaces_one_on_trial_goes_back_to_the_one_that_worked(
    world: World,
) -> None:
    upgraded(world)
    book = world.book()
    history.write(world.paths, Book(book.good, Trial(NEW, OLD, timestamps.now()), book.entries))
    world.installed, world.broken = Installed(NEWER), {NEWER}
    gate(world)
    assert results(world)[-2:] == [("2.0", "replaced"), ("3.0", "undone")]
    assert world.installed.release == OLD


def test_an_older_version_that_works_leaves_the_pin_of_a_newer_one(world: World) -> None:
    upgraded(world, NEWER)
    world.broken = {NEWER}
    gate(world)
    world.installed = Installed(NEW)
    gate(world)
    assert world.book().good == NEW
    assert [one.version for one in pins.held(world.paths)] == ["3.0"]
