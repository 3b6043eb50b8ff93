"""For all unit tests: what would be done again and again to no other effect is done once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from altpeter_matrix.apply.transaction import apply

from .fake_host import FakeHost, make


@pytest.fixture(autouse=True)
def _nothing_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No unit test cuts the power, and a killed process loses nothing that it has written."""
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)


@dataclass(frozen=True)
class Applied:
    """A host that serves generation 1, as it was after its apply.

    It comes back at the place where it was made: apply notes the paths of what it has looked at.
    """

    kept: FakeHost
    place: Path

    def again(self) -> FakeHost:
        shutil.rmtree(self.place, ignore_errors=True)
        return self.kept.copy(self.place)


@pytest.fixture(scope="session")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Applied:
    directory = tmp_path_factory.mktemp("applied")
    host = make(directory / "root")
    with pytest.MonkeyPatch.context() as environment:
        host.use(environment)
        apply(host.host)
    host.forget_calls()
    return Applied(host.copy(directory / "kept"), host.root)
