"""The order in which a divided run begins its modules."""

from pathlib import Path

from tests.conftest import LONGEST


def test_what_begins_early_is_there() -> None:
    tests = Path(__file__).parents[2]
    assert [name for name in LONGEST if not (tests / name).is_file()] == []
