"""Bringing the old version back: not while dpkg is at work, nor over a version that came since."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from altpeter_matrix.apt import kept_packages
from altpeter_matrix.apt.release import Release
from altpeter_matrix.base.errors import Problem
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.synapse import schema_numbers
from altpeter_matrix.upgrade import observation, rollback
from altpeter_matrix.upgrade.observation import Installed
from altpeter_matrix.upgrade.rollback import NoWayBack

OLD, NEW = Release("matrix-synapse-py3", "1.0"), Release("matrix-synapse-py3", "2.0")
NEWER = Release("matrix-synapse-py3", "3.0")
DEB = Path("/1.0.deb")
HOLDS_THE_LOCK = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
TAKES_IT_AGAIN_AND_AGAIN = """
import fcntl, sys
lock = open(sys.argv[1], "w")
for _ in range(20_000):
    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(lock, fcntl.LOCK_UN)
"""


class World:
    """What was done to Synapse and dpkg, and what dpkg has."""

    def __init__(self) -> None:
        self.installed: Installed | None = Installed(NEW)
        self.events: list[str] = []


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()

    def stop(paths: Paths) -> None:
        paths.refused.parent.mkdir(parents=True, exist_ok=True)
        paths.refused.touch()
        world.events.append("stop")

    def give_up(paths: Paths) -> None:
        paths.refused.unlink()
        world.events.append("start")

    monkeypatch.setattr(observation, "installed", lambda: world.installed)
    monkeypatch.setattr(rollback, "stop", stop)
    monkeypatch.setattr(rollback, "give_up", give_up)
    monkeypatch.setattr(rollback, "_dpkg", lambda _deb: world.events.append("dpkg"))
    return world


@contextmanager
def locked(paths: Paths) -> Iterator["subprocess.Popen[str]"]:
    """As by an apt that is at work."""
    lock = paths.root / "var/lib/dpkg/lock-frontend"
    lock.parent.mkdir(parents=True, exist_ok=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_LOCK, lock],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        yield holder
        holder.kill()


def test_a_wrong_version_is_replaced(paths: Paths, world: World) -> None:
    assert rollback.install(paths, DEB, {NEW, OLD}, running=True)
    assert world.events == ["stop", "dpkg"]
    assert not paths.refused.exists(), "dpkg could not start the old version"


def test_it_waits_for_the_lock_with_synapse_stopped(
    paths: Paths, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(paths) as apt:
        assert observation.dpkg_busy(paths)

        def sleep(_seconds: float) -> None:
            assert world.events == ["stop"], "an apt that waits for Synapse would wait for ever"
            apt.kill()
            apt.wait()

        monkeypatch.setattr("time.sleep", sleep)
        assert rollback.install(paths, DEB, {NEW, OLD}, running=False)
    assert world.events == ["stop", "stop", "dpkg"]


@pytest.mark.parametrize("lock", ["lock", "lock-frontend"])
def test_whoever_looks_for_a_dpkg_at_work_is_not_in_its_way(paths: Paths, lock: str) -> None:
    """An apt that is started in that very moment would fail."""
    assert not observation.dpkg_busy(paths), "there is no dpkg yet"
    path = paths.root / "var/lib/dpkg" / lock
    path.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([sys.executable, "-c", TAKES_IT_AGAIN_AND_AGAIN, path]) as dpkg:
        while dpkg.poll() is None:
            observation.dpkg_busy(paths)
    assert dpkg.returncode == 0


def test_what_a_person_has_installed_meanwhile_stays_and_may_start(
    paths: Paths, world: World
) -> None:
    world.installed = Installed(NEWER)
    assert not rollback.install(paths, DEB, {NEW, OLD}, running=False)
    assert world.events == ["stop", "start"]


def test_a_database_that_the_old_version_refuses_is_no_way_back(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_packages, "keep", lambda *_a, **_k: DEB)
    monkeypatch.setattr(schema_numbers, "of_package", lambda _deb: 94)
    for demanded, allowed in ((94, True), (None, True), (95, False)):
        monkeypatch.setattr(schema_numbers, "demanded_now", lambda *_a, n=demanded: n)
        if allowed:
            assert rollback.find(paths, OLD, "synapse") == DEB
        else:
            with pytest.raises(NoWayBack, match=r"demands schema 95.*restore the backup"):
                rollback.find(paths, OLD, "synapse")


def test_a_package_that_is_nowhere_is_no_way_back(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(*_args: object, **_options: object) -> Path:
        raise kept_packages.Nowhere(Problem("1.0", "is not at hand", "put it there"))

    monkeypatch.setattr(kept_packages, "keep", keep)
    with pytest.raises(NoWayBack, match="is not at hand"):
        rollback.find(paths, OLD, None)


def test_the_reason_of_dpkg_is_told_and_not_its_last_line() -> None:
    output = """Unpacking matrix-synapse-py3 (1.0) over (2.0) ...
dpkg: error processing archive /x/1.0.deb (--install):
 cannot copy extracted data for './opt/x' to '/opt/x.dpkg-new': No space left on device
dpkg-deb: error: paste subprocess was killed by signal (Broken pipe)
Errors were encountered while processing:
 /x/1.0.deb
"""
    assert rollback.reason(output).endswith("'/opt/x.dpkg-new': No space left on device")
    assert rollback.reason("dpkg: unknown option\n") == "dpkg: unknown option"
