"""Fixtures of the tests on real hosts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .lab import Lab, LabUnavailable


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab of this test run. Where there can be none, tests that need it fail in one line."""
    try:
        opened = Lab.open("test")
    except LabUnavailable as missing:
        pytest.fail(f"no lab: {missing}", pytrace=False)
    with opened:
        yield opened
