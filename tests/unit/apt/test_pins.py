"""Holding a version back: what apt reads, what people read, and what a killed run leaves."""

import json
from pathlib import Path

import pytest

from altpeter_matrix.apt import pins
from altpeter_matrix.base import journal
from altpeter_matrix.base.errors import Problem
from altpeter_matrix.base.paths import Paths

PACKAGE = "matrix-synapse-py3"
REASON = Problem("Synapse", "rejects the configuration: no good", "correct it")
OTHER = Problem("PostgreSQL", "is too old", "move to a newer one")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The journal."""
    lines: list[str] = []
    monkeypatch.setattr(journal, "write", lambda text, error: lines.append(text))
    return lines


def test_exactly_this_version_is_pinned_away(paths: Paths) -> None:
    pins.hold_back(paths, PACKAGE, "1.2+b1", REASON)
    assert paths.held_back_pin.read_text().splitlines()[1:] == [
        f"Package: {PACKAGE}",
        "Pin: version 1.2+b1",
        "Pin-Priority: -1",
    ]
    assert paths.held_back_pin.stat().st_mode & 0o777 == 0o644
    assert paths.held_back.stat().st_mode & 0o777 == 0o600


def test_reason_and_remedy_are_told_once(paths: Paths, told: list[str]) -> None:
    for _ in range(3):
        pins.hold_back(paths, PACKAGE, "1.2", REASON, security=True, retried=True)
        pins.complete(paths)
    (line,) = told
    assert line == str(pins.held(paths)[0].problem)
    assert "SECURITY" in line and "no good" in line and "correct it" in line


def test_each_version_is_a_fault_of_its_own(paths: Paths) -> None:
    for version in ("1.2", "1.3"):
        pins.hold_back(paths, PACKAGE, version, REASON)
    assert {one.problem.where for one in pins.held(paths)} == {f"{PACKAGE} 1.2", f"{PACKAGE} 1.3"}
    assert all("Synapse: rejects" in one.problem.what for one in pins.held(paths))


def test_another_reason_is_told_again(paths: Paths, told: list[str]) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    since = pins.held(paths)[0].since
    pins.hold_back(paths, PACKAGE, "1.2", OTHER)
    assert len(told) == 2
    (entry,) = pins.held(paths)
    assert (entry.reason, entry.since) == (OTHER, since)


def test_release_leaves_no_trace(paths: Paths) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    pins.hold_back(paths, PACKAGE, "1.3", REASON)
    pins.release(paths, PACKAGE, "1.2")
    assert [one.version for one in pins.held(paths)] == ["1.3"]
    assert "1.2" not in paths.held_back_pin.read_text()
    pins.release(paths, PACKAGE)
    assert pins.held(paths) == ()
    for path in (paths.held_back_pin, paths.held_back):
        assert not path.exists()


def test_a_run_killed_before_the_pin_is_completed(paths: Paths) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    paths.held_back_pin.unlink()
    pins.complete(paths)
    assert "1.2" in paths.held_back_pin.read_text()


def test_a_run_killed_while_releasing_is_completed(paths: Paths) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    paths.held_back.unlink()
    pins.complete(paths)
    assert not paths.held_back_pin.exists()


def test_fields_of_a_later_version_are_no_obstacle(paths: Paths) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    data = json.loads(paths.held_back.read_bytes())
    data["held"][0] |= {"mood": "sad", "told": 0}  # told: of the version before this one
    paths.held_back.write_text(json.dumps(data))
    assert pins.held(paths)[0].version == "1.2"
