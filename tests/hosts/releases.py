"""What cannot differ between the releases runs on one of them in `make test`, on both in the long
form; docs/testing.md has the list, and why."""

import pytest

# For a test that uses `deployment`, itself or by a fixture.
on_one_release = pytest.mark.parametrize(
    "deployment", [pytest.param("debian12", marks=pytest.mark.upgrades), "debian13"], indirect=True
)
