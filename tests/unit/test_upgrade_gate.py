"""What the health gate does with its verdicts, and how it goes on after it was killed."""

import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix import (
    held_back,
    kept_packages,
    notify,
    timestamps,
    upgrade_gate,
    upgrade_history,
    upgrade_requests,
    upgrade_sight,
    upgrade_way_back,
)
from altpeter_matrix.commands import Result
from altpeter_matrix.errors import HostError, Problem
from altpeter_matrix.outcome import Record
from altpeter_matrix.paths import Paths
from altpeter_matrix.upgrade_history import Book, Release, Trial
from altpeter_matrix.upgrade_judge import Judge
from altpeter_matrix.upgrade_requests import Requests
from altpeter_matrix.upgrade_sight import Installed
from altpeter_matrix.upgrade_watch import Verdict, Watch
from altpeter_matrix.upgrade_way_back import NoWayBack

OLD, NEW = Release("matrix-synapse-py3", "1.0"), Release("matrix-synapse-py3", "2.0")
NEWER = Release("matrix-synapse-py3", "3.0")


class Killed(BaseException):
    """The gate was."""


class World:
    """A host on which dpkg and Synapse are only remembered."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.installed = Installed(OLD)
        self.broken: set[Release] = set()
        self.broken_off = False
        self.interrupted: Installed | None = None  # as dpkg leaves it while it is watched
        self.events: list[str] = []
        self.no_way: Problem | None = None
        self.meanwhile: Release | None = None  # installed by somebody while the lock is waited for
        self.dpkg_refuses = False
        self.kill_at = ""
        self.boot = "first"
        self.outside: list[Problem] = []
        self.takes = 0.0  # seconds, each start
        self.patience: list[float] = []

    def happens(self, event: str) -> None:
        self.events.append(event)
        if event.startswith(self.kill_at) and self.kill_at:
            self.kill_at = ""
            raise Killed

    def mail(self, _subject: str, _text: str) -> bool:
        self.events.append("mail")
        return True

    def judge(self, watch: Watch, release: Release) -> Verdict:
        watch.took = self.takes
        self.patience.append(watch.within)
        self.happens(f"judge {release.version}")
        if self.broken_off:
            return Verdict.BROKEN_OFF
        if self.interrupted:
            self.installed = self.interrupted
            return Verdict.INTERRUPTED
        return watch.failed("answers 500") if release in self.broken else Verdict.PASSED

    def find(self, _paths: Paths, release: Release, _database: str | None) -> Path:
        self.happens(f"find {release.version}")
        if self.no_way:
            raise NoWayBack(self.no_way)
        return Path(f"/{release.version}.deb")

    def install(
        self, paths: Paths, deb: Path, instead_of: Collection[Release], *, running: bool
    ) -> bool:
        self.happens(f"install {deb.stem}")
        paths.refused.parent.mkdir(parents=True, exist_ok=True)
        paths.refused.touch()
        self.happens(f"stopped for {deb.stem}")
        if self.meanwhile is not None:
            self.installed, self.meanwhile = Installed(self.meanwhile), None
        if self.installed.release not in instead_of:
            upgrade_way_back.allow(paths)
            return False
        if self.dpkg_refuses:
            raise HostError(Problem("dpkg", "no space", "free some"))
        self.installed, self.broken_off = Installed(Release(OLD.package, deb.stem)), False
        self.interrupted = None
        paths.refused.unlink()
        self.happens(f"installed {deb.stem}")
        return True

    def give_up(self, paths: Paths) -> None:
        paths.refused.unlink(missing_ok=True)
        self.events.append("give up")

    def book(self) -> Book:
        return upgrade_history.read(self.paths)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    paths = Paths(tmp_path)
    world = World(paths)
    monkeypatch.setattr(upgrade_gate, "settings_in_use", lambda _paths: None)
    monkeypatch.setattr(upgrade_gate, "database_of", lambda _paths: None)
    monkeypatch.setattr(upgrade_gate, "seen_by_clients", lambda _host: world.outside)
    monkeypatch.setattr(notify, "journal", lambda *_a, **_k: None)
    monkeypatch.setattr(notify, "mail", world.mail)
    monkeypatch.setattr(upgrade_gate, "run", lambda *argv, **_k: Result(argv, 0, "", ""))
    monkeypatch.setattr(
        Judge, "judge", lambda _judge, watch, version, _: world.judge(watch, version)
    )
    monkeypatch.setattr(upgrade_sight, "installed", lambda: world.installed)
    monkeypatch.setattr(upgrade_sight, "unit", lambda: {"ActiveState": "active"})
    monkeypatch.setattr(upgrade_sight, "said", lambda _since: None)
    monkeypatch.setattr(upgrade_sight, "boot_id", lambda _paths: world.boot)
    monkeypatch.setattr(upgrade_sight, "dpkg_busy", lambda _paths: False)
    monkeypatch.setattr(
        kept_packages, "keep",
        lambda _paths, release, installed: world.events.append(f"keep {release.version}"),
    )  # fmt: skip
    monkeypatch.setattr(kept_packages, "keep_only", lambda *_a: None)
    monkeypatch.setattr(upgrade_requests, "between", lambda *_a: Requests(1, None))
    monkeypatch.setattr(upgrade_way_back, "find", world.find)
    monkeypatch.setattr(upgrade_way_back, "install", world.install)
    monkeypatch.setattr(upgrade_way_back, "give_up", world.give_up)
    return world


def gate(world: World) -> None:
    upgrade_gate.look(world.paths)


def upgraded(world: World, to: Release = NEW) -> None:
    """The old version has proved itself, and another one is installed."""
    gate(world)
    assert world.book().good == OLD
    world.events.clear()
    world.installed = Installed(to)


def results(world: World) -> list[tuple[str, str]]:
    return [(one.version, one.result) for one in world.book().entries]


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
    (pin,) = held_back.held(world.paths)
    assert (pin.version, pin.retried) == ("2.0", False)
    assert "answers 500" in pin.reason.what
    assert world.events.count("mail") in {0, 1}


@pytest.mark.parametrize(
    "moment",
    ["judge 2.0", "find", "install 1.0", "stopped for 1.0", "installed 1.0", "judge 1.0"],
)
def test_a_gate_killed_at_any_moment_is_completed_by_the_next(world: World, moment: str) -> None:
    upgraded(world)
    world.broken, world.kill_at = {NEW}, moment
    with pytest.raises(Killed):
        gate(world)
    gate(world)
    assert results(world)[-1] == ("2.0", "undone")
    assert world.installed.release == OLD
    assert (world.book().good, world.book().trial) == (OLD, None)
    assert [one.version for one in held_back.held(world.paths)] == ["2.0"]
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


def test_a_newer_version_that_works_takes_the_pin_away(world: World) -> None:
    upgraded(world)
    world.broken = {NEW}
    gate(world)
    held_back.hold_back(
        world.paths, NEW.package, "4.0", Problem("x", "needs PostgreSQL 16", "y"), retried=True
    )
    world.installed = Installed(NEWER)
    gate(world)
    assert world.book().good == NEWER
    # What the check of candidates holds back is its own matter.
    assert [one.version for one in held_back.held(world.paths)] == ["4.0"]


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
    assert held_back.held(world.paths) == ()
    assert world.events.count("mail") == 1


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
    (held,) = held_back.held(world.paths)
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

    monkeypatch.setattr(upgrade_gate, "run", run)
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
    assert held_back.held(world.paths) == ()
    assert world.events.count("give up") == 5


def test_a_first_version_that_is_wrong_has_no_way_back(world: World) -> None:
    world.broken = {OLD}
    gate(world)
    assert results(world) == [("1.0", "failed")]
    assert world.book().good is None
    assert not [one for one in world.events if one.startswith("install")]


def test_a_version_that_replaces_one_on_trial_goes_back_to_the_one_that_worked(
    world: World,
) -> None:
    upgraded(world)
    book = world.book()
    upgrade_history.write(
        world.paths, Book(book.good, Trial(NEW, OLD, timestamps.now()), book.entries)
    )
    world.installed, world.broken = Installed(NEWER), {NEWER}
    gate(world)
    assert results(world)[-2:] == [("2.0", "replaced"), ("3.0", "undone")]
    assert world.installed.release == OLD


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
    upgrade_history.write(world.paths, replace(book, trial=replace(book.trial, stuck_since=then)))


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
    assert [one.version for one in held_back.held(world.paths)] == ["2.0"]


def test_what_stays_stuck_is_not_told_again(world: World) -> None:
    stuck(world)
    before = world.book().trial
    later(world, 2)
    gate(world)
    after = world.book().trial
    assert "find 1.0" in world.events and "mail" not in world.events
    assert before is not None and after is not None
    assert after.explanation == before.explanation
    assert results(world)[-1] == ("2.0", "failed") and len(results(world)) == 2


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
    assert held_back.held(world.paths) == ()


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
    assert held_back.held(world.paths) == ()


def test_an_older_version_that_works_leaves_the_pin_of_a_newer_one(world: World) -> None:
    upgraded(world, NEWER)
    world.broken = {NEWER}
    gate(world)
    world.installed = Installed(NEW)
    gate(world)
    assert world.book().good == NEW
    assert [one.version for one in held_back.held(world.paths)] == ["3.0"]


def test_a_machine_that_goes_down_with_a_version_is_reason_enough_but_not_in_a_migration(
    world: World,
) -> None:
    for migrating, result in ((True, "passed"), (False, "undone")):
        upgraded(world)
        trial = Trial(NEW, OLD, timestamps.now(), boots=3, boot="3", migrating=migrating)
        upgrade_history.write(world.paths, replace(world.book(), trial=trial))
        world.boot = f"4 {migrating}"
        gate(world)
        assert results(world)[-1] == ("2.0", result)
        world.installed = Installed(OLD)
        gate(world)
