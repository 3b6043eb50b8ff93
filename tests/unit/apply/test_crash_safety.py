"""apply killed at any moment: the old or the new state, whole, and the next apply finishes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.apply.generations import Store
from altpeter_matrix.base.accounts import read_accounts
from altpeter_matrix.host.links import Links
from altpeter_matrix.synapse.secrets_store import GENERATED

from ..fake_host import NAME, FakeHost, make
from .interrupted_apply import assert_whole

REPOSITORY = Path(__file__).resolve().parents[3]
FIRST = f"server_name: {NAME}\n"
# Touches nginx, Synapse and Synapse's own file for the statistics.
SECOND = f"{FIRST}report_stats: true\nuploads: {{max_size: 20M}}\n"
POINTS = 14


class Applies:
    """Applies, each in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.apply.interrupted_apply"],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, host: FakeHost, deadly: int | None = None) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        environment = {
            name: value for name, value in host.environment.items() if os.environ.get(name) != value
        }
        order = {"root": str(host.root), "deadly": deadly, "environment": environment}
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def finish(self, host: FakeHost) -> int:
        """Apply to the end; the number of moments it had."""
        done = self.run(host)
        assert done["status"] == 0, done["error"]
        return int(done["moments"])

    def end(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def applies() -> Iterator[Applies]:
    found = Applies()
    yield found
    found.end()


def store(host: FakeHost) -> Store:
    return Store(host.paths, read_accounts(host.root))


def content(host: FakeHost) -> dict[str, str]:
    current = store(host).current()
    assert current is not None
    return {path: record.sha256 for path, record in current.files.items()}


def secrets(host: FakeHost) -> dict[str, str]:
    directory = host.paths.secrets
    return {
        name: (directory / name).read_text() for name in GENERATED if (directory / name).exists()
    }


def spread(moments: int) -> list[int]:
    """Moments to die at: the first, the last, and evenly between."""
    return sorted({1 + index * (moments - 1) // (POINTS - 1) for index in range(POINTS)})


def assert_finished(host: FakeHost, expected: dict[str, str]) -> None:
    paths = host.paths
    assert content(host) == expected
    assert Links(paths).is_settled()
    for program in ("nginx", "synapse"):
        loaded = paths.loaded(program).read_text()
        assert loaded == (paths.current / program / "fingerprint").read_text()
    hidden = [*paths.state.rglob(".*"), *paths.runtime.rglob(".*")]
    # Where nobody clears up.
    assert [*hidden, *(host.root / "tmp").iterdir()] == [], "leftovers of the killed run"
    assert "true" in (paths.synapse_conf_d / "report_stats.yaml").read_text()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> FakeHost:
    return make(tmp_path_factory.mktemp("fresh") / "root", SECOND)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, applies: Applies) -> FakeHost:
    host = make(tmp_path_factory.mktemp("serving") / "root", FIRST)
    applies.finish(host)
    host.settings(SECOND)
    return host


@pytest.mark.parametrize("start", ["fresh", "serving"])
def test_killed_at_any_moment_the_next_apply_completes_it(
    start: str, applies: Applies, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    begun: FakeHost = request.getfixturevalue(start)
    model = begun.copy(tmp_path / "model")
    moments = applies.finish(model)
    expected = content(model)
    assert moments > 60, "the hook does not see what apply does"
    for deadly in spread(moments):
        host = begun.copy(tmp_path / f"killed-{deadly}")
        killed = applies.run(host, deadly)
        assert killed["status"] == -9, killed
        assert_whole(host)
        kept = secrets(host)
        applies.finish(host)
        assert_finished(host, expected)
        assert secrets(host).items() >= kept.items(), "a secret was made twice"


@pytest.mark.parametrize("start", ["fresh", "serving"])
def test_whole_at_each_moment(
    start: str, applies: Applies, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Between those at which the test above kills it, too."""
    begun: FakeHost = request.getfixturevalue(start)
    looked = applies.run(begun.copy(tmp_path / "root"), deadly=0)
    assert looked["status"] == 0, looked["error"]


def test_a_run_killed_before_the_restart_is_completed_with_the_restart(
    serving: FakeHost, applies: Applies, tmp_path: Path
) -> None:
    """The lost restart: generated files are new, the process still runs with the old ones."""
    host = serving.copy(tmp_path / "root")
    cut = host.write("power-cut-before/restart", "")
    assert applies.run(host)["status"] == -9
    assert host.paths.current.readlink().name == "2", "the flip came before"
    cut.unlink()
    host.forget_calls()
    applies.finish(host)
    assert "restart matrix-synapse.service" in host.actions()
    assert "reload nginx.service" in host.actions()


def test_the_run_after_a_completed_one_changes_nothing(
    serving: FakeHost, applies: Applies, tmp_path: Path
) -> None:
    host = serving.copy(tmp_path / "root")
    applies.finish(host)
    before = {path: path.lstat().st_mtime_ns for path in files(host)}
    host.forget_calls()
    assert applies.finish(host) <= 4, "nothing but the lock is written"
    after = {path: path.lstat().st_mtime_ns for path in files(host)}
    assert {path for path in after if after[path] != before.get(path)} == {
        host.paths.locks / "apply", host.root / "calls"
    }  # fmt: skip
    assert host.actions() == []


def files(host: FakeHost) -> Iterator[Path]:
    return (path for path in host.root.rglob("*") if path.is_file() or path.is_symlink())


# Stops when the content is written and the rename is to come.
WRITE = """
import os, sys
from pathlib import Path
from altpeter_matrix.base import disk
synchronise = os.fsync
def wait(descriptor):
    synchronise(descriptor)
    print("writing", flush=True)
    sys.stdin.readline()
os.fsync = wait
disk.replace(Path(sys.argv[1]), b"history", 0o600)
"""


def test_what_another_process_is_just_writing_is_no_leftover_of_a_killed_one(
    serving: FakeHost, tmp_path: Path
) -> None:
    """The health gate writes its history while apply clears up; killed, it leaves a file."""
    host = serving.copy(tmp_path / "root")
    history = host.paths.upgrades
    for killed in (False, True):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(history)],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
        if killed:
            writer.kill()
            writer.wait()
        store(host).tidy()
        if not killed:
            writer.communicate("\n\n", timeout=30)
            assert writer.returncode == 0
        writer.stdout.close()
        assert list(host.paths.state.glob(".*")) == []
        assert history.read_bytes() == b"history"
