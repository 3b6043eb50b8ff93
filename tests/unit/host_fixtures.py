"""Fixtures for tests of the host tool; imported by the modules that use them."""

from pathlib import Path

import pytest

from altpeter_matrix.apply import apply

from .fake_host import FakeHost, make


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host on which nothing was applied yet."""
    host = make(tmp_path / "root")
    for name in ("PATH", "FAKE_ROOT"):
        monkeypatch.setenv(name, host.environment[name])
    return host


@pytest.fixture
def serving(fresh: FakeHost) -> FakeHost:
    """A host that serves generation 1."""
    apply(fresh.host)
    fresh.forget_calls()
    return fresh
