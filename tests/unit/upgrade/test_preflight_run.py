"""What is checked, held back and released, and by whom."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from altpeter_matrix.apply.activation import Host
from altpeter_matrix.apply.services import Services
from altpeter_matrix.apt import candidates, pins
from altpeter_matrix.apt.candidates import Offer
from altpeter_matrix.base import journal
from altpeter_matrix.base.errors import HostError, Problem, error
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host.facts import SYNAPSE_PACKAGES, Synapse
from altpeter_matrix.upgrade import preflight, preflight_result, preflight_run
from altpeter_matrix.upgrade.preflight_result import PreflightResult

CAUSE = Problem("Synapse", "no good", "mend it")


class World:
    """An apt with its offers, and candidates that are good or not."""

    def __init__(self, root: Path, package: str) -> None:
        self.package = package
        self.paths = Paths(root)
        self.host = Host(self.paths, Services(self.paths))
        self.installed = "1.0"
        self.versions: tuple[str, ...] = ("1.0",)
        self.bad: set[str] = set()
        self.checked: list[str] = []
        self.inputs = "settings"
        self.during: Callable[[], None] = lambda: None
        self.unreachable = False

    def offer(self, package: str) -> Offer:
        assert package == self.package
        pinned = {one.version for one in pins.held(self.paths)}
        return Offer(next(v for v in self.versions if v not in pinned), self.versions)

    @contextmanager
    def downloaded(self, _paths: Paths, _package: str, version: str) -> Iterator[Path]:
        if self.unreachable:
            raise HostError(Problem(version, "cannot be downloaded", "wait"))
        yield Path(version)

    def check(self, _host: Host, synapse: Synapse, deb: Path) -> PreflightResult:
        self.checked.append(str(deb))
        self.during()
        found = (error(CAUSE.where, CAUSE.what, CAUSE.remedy),) if str(deb) in self.bad else ()
        return PreflightResult(synapse.package, str(deb), synapse.version, False, True, found)

    def field(self, deb: Path, name: str) -> str:
        return {"Package": self.package, "Version": str(deb)}[name]

    def automatic(self) -> None:
        preflight_run.check_automatically(self.host, say=lambda _: None)

    @property
    def held(self) -> list[str]:
        return [one.version for one in pins.held(self.paths)]


@pytest.fixture(params=SYNAPSE_PACKAGES)
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, request.param)
    made.paths.state.mkdir(parents=True)
    monkeypatch.setattr(journal, "write", lambda *_, **__: None)
    monkeypatch.setattr(candidates, "offer", made.offer)
    monkeypatch.setattr(candidates, "downloaded", made.downloaded)
    monkeypatch.setattr(candidates, "field", made.field)
    monkeypatch.setattr(preflight, "check", made.check)
    monkeypatch.setattr(preflight_run, "_inputs", lambda _: made.inputs)
    monkeypatch.setattr(
        preflight_run,
        "_served",
        lambda _: Synapse(made.package, made.installed, Path("/p"), "g", "a.test"),
    )
    return made


def test_a_good_candidate_is_checked_once(world: World) -> None:
    world.versions = ("2.0", "1.0")
    world.automatic()
    world.automatic()
    assert (world.checked, world.held) == (["2.0"], [])


def test_a_bad_one_is_held_back_until_its_cause_is_gone(world: World) -> None:
    world.versions, world.bad = ("2.0", "1.0"), {"2.0"}
    world.automatic()
    assert world.held == ["2.0"]
    world.bad, world.inputs = set(), "other settings"
    world.automatic()
    assert world.held == []


def test_a_bad_one_is_let_go_also_when_its_cause_shows_nowhere_else(world: World) -> None:
    """A full disk, a database that did not answer."""
    world.versions, world.bad = ("2.0", "1.0"), {"2.0"}
    world.automatic()
    world.bad = set()
    world.automatic()
    assert world.held == []


def test_a_check_that_was_killed_before_it_let_a_good_one_go_is_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.versions, world.bad = ("2.0", "1.0"), {"2.0"}
    world.automatic()
    world.bad = set()
    with monkeypatch.context() as killing, pytest.raises(KeyboardInterrupt):
        killing.setattr(pins, "release", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        world.automatic()
    assert world.held == ["2.0"]
    world.automatic()
    assert world.held == []


def test_a_newer_one_is_not_affected(world: World) -> None:
    world.versions, world.bad = ("2.0", "1.0"), {"2.0"}
    world.automatic()
    world.versions = ("3.0", "2.0", "1.0")
    world.automatic()
    assert world.checked[-1] == "3.0" and world.held == ["2.0"]
    world.installed = "3.0"
    world.automatic()
    assert world.held == []


def test_what_the_health_gate_holds_back_is_not_released_by_a_good_check(world: World) -> None:
    world.versions = ("2.0", "1.0")
    pins.hold_back(world.paths, world.package, "2.0", CAUSE)
    preflight_run.check_offered(world.host, "2.0")
    world.installed = "2.0"  # the gate is on its way back
    world.automatic()
    assert world.held == ["2.0"]
    world.versions = ("1.0",)
    world.installed = "1.0"
    world.automatic()
    assert world.held == ["2.0"]


def test_what_changes_during_a_check_is_looked_at_before_it_ends(world: World) -> None:
    world.versions = ("2.0", "1.0")

    def newer_list() -> None:
        world.versions = ("3.0", "2.0", "1.0")

    world.during = newer_list
    world.automatic()
    assert world.checked == ["2.0", "3.0"]


def test_apt_is_refused_a_package_that_would_not_serve(world: World) -> None:
    world.bad = {"2.0"}
    result = preflight_run.check_file(world.host, Path("2.0"), anew=False)
    assert result is not None and not result.ok and world.held == ["2.0"]


def test_apt_may_go_back_to_an_older_version_whatever_that_says(world: World) -> None:
    world.bad = {"0.9"}
    assert preflight_run.check_file(world.host, Path("0.9"), anew=False) is None
    assert world.checked == []


def test_apt_may_install_the_other_package_of_synapse(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bad = {"2.0"}
    (other,) = set(SYNAPSE_PACKAGES) - {world.package}
    monkeypatch.setattr(candidates, "field", lambda *_: other)
    assert preflight_run.check_file(world.host, Path("2.0"), anew=False) is None
    assert world.checked == []


def test_what_another_package_of_synapse_was_held_back_for_ends_with_it(world: World) -> None:
    (other,) = set(SYNAPSE_PACKAGES) - {world.package}
    pins.hold_back(world.paths, other, "2.0", CAUSE, retried=True)
    pins.hold_back(world.paths, "altpeter-matrix-config", "2.0", CAUSE)
    world.automatic()
    assert [one.package for one in pins.held(world.paths)] == ["altpeter-matrix-config"]


def test_a_checked_package_is_not_checked_again_by_apt(world: World) -> None:
    world.versions = ("2.0", "1.0")
    world.automatic()
    assert preflight_run.check_file(world.host, Path("2.0"), anew=False) is None
    assert world.checked == ["2.0"]


def test_a_candidate_that_cannot_be_got_is_an_error_and_holds_nothing_back(world: World) -> None:
    world.versions, world.unreachable = ("2.0", "1.0"), True
    with pytest.raises(HostError, match="cannot be downloaded"):
        world.automatic()
    assert world.held == []


def test_a_full_disk_does_not_let_a_refused_package_through(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.bad = {"2.0"}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/var/lib")

    monkeypatch.setattr(preflight_result, "note", full)
    result = preflight_run.check_file(world.host, Path("2.0"))
    assert result is not None and not result.ok
