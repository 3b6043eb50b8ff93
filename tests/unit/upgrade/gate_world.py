"""A host for the health gate, with a fixture; imported by the modules that use it."""

from collections.abc import Collection
from pathlib import Path

import pytest

from altpeter_matrix.apply.public_side import PublicSide
from altpeter_matrix.apt import kept_packages
from altpeter_matrix.apt.release import Release
from altpeter_matrix.base import journal
from altpeter_matrix.base.commands import Result
from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.upgrade import (
    affected_requests,
    examination,
    going_back,
    history,
    monitor,
    observation,
    rollback,
)
from altpeter_matrix.upgrade.affected_requests import Requests
from altpeter_matrix.upgrade.history import Book
from altpeter_matrix.upgrade.observation import Installed
from altpeter_matrix.upgrade.polling import Judge
from altpeter_matrix.upgrade.rollback import NoWayBack
from altpeter_matrix.upgrade.trial_policy import Verdict, Watch

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
        self.spoilt = False
        self.apply_works = True
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

    def judge(self, watch: Watch, release: Release) -> Verdict:
        watch.took = self.takes
        self.patience.append(watch.within)
        self.happens(f"judge {release.version}")
        if self.broken_off:
            return Verdict.BROKEN_OFF
        if self.spoilt:
            watch.ready = True
            return Verdict.SPOILT
        if self.interrupted:
            self.installed = self.interrupted
            return Verdict.INTERRUPTED
        return watch.failed("answers 500") if release in self.broken else Verdict.PASSED

    def run(self, *argv: str, **_options: object) -> Result:
        self.events.append(" ".join(argv))
        if argv == ("altpeter-matrix", "apply") and self.apply_works:
            self.spoilt = False
        return Result(argv, 0 if self.apply_works else 1, "", "")

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
            rollback.allow(paths)
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
        return history.read(self.paths)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    paths = Paths(tmp_path)
    world = World(paths)
    monkeypatch.setattr(examination, "settings_in_use", lambda _paths: None)
    monkeypatch.setattr(examination, "database_of", lambda _paths: None)
    monkeypatch.setattr(PublicSide, "problems", lambda _side: world.outside)
    monkeypatch.setattr(journal, "write", lambda *_a, **_k: None)
    monkeypatch.setattr(examination, "run", world.run)
    monkeypatch.setattr(going_back, "run", world.run)
    monkeypatch.setattr(
        Judge, "judge", lambda _judge, watch, version, _: world.judge(watch, version)
    )
    monkeypatch.setattr(observation, "installed", lambda: world.installed)
    monkeypatch.setattr(observation, "unit", lambda: {"ActiveState": "active"})
    monkeypatch.setattr(observation, "said", lambda _since: None)
    monkeypatch.setattr(observation, "boot_id", lambda _paths: world.boot)
    monkeypatch.setattr(observation, "dpkg_busy", lambda _paths: False)
    monkeypatch.setattr(observation, "spoilt", lambda _paths: world.spoilt)
    monkeypatch.setattr(
        kept_packages, "keep",
        lambda _paths, release, installed: world.events.append(f"keep {release.version}"),
    )  # fmt: skip
    monkeypatch.setattr(kept_packages, "keep_only", lambda *_a: None)
    monkeypatch.setattr(affected_requests, "between", lambda *_a: Requests(1, None))
    monkeypatch.setattr(rollback, "find", world.find)
    monkeypatch.setattr(rollback, "install", world.install)
    monkeypatch.setattr(rollback, "give_up", world.give_up)
    return world


def gate(world: World) -> None:
    monitor.judge_installed(world.paths)


def upgraded(world: World, to: Release = NEW) -> None:
    """The old version has proved itself, and another one is installed."""
    gate(world)
    assert world.book().good == OLD
    world.events.clear()
    world.installed = Installed(to)


def results(world: World) -> list[tuple[str, str]]:
    return [(one.version, one.result) for one in world.book().entries]
