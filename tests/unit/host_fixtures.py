"""Fixtures for tests of the host tool; imported by the modules that use them."""

from pathlib import Path

import pytest

from .conftest import Applied
from .fake_host import FakeHost, make


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host on which nothing was applied yet."""
    host = make(tmp_path / "root")
    host.use(monkeypatch)
    return host


@pytest.fixture
def serving(applied: Applied, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    """A host that serves generation 1."""
    host = applied.again()
    host.use(monkeypatch)
    return host
