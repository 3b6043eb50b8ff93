"""Which indexes and tables are worth it, whatever Synapse's role has the database answer."""

import json

import pytest

from altpeter_matrix.usage import bloat

from ..fake_host import FakeHost
from ..host_fixtures import fresh, serving
from .fake_database import MIB, database

__all__ = ["fresh", "serving"]

# Of PostgreSQL 15: so many rows with a key of 64 characters, and an index built on it.
BUILT = 600_000, 65, 1, False
BUILT_SIZE = 54 * MIB


def test_a_new_index_is_never_taken_for_a_bloated_one() -> None:
    assert BUILT_SIZE <= bloat.expected_size(*BUILT) < 1.2 * BUILT_SIZE


@pytest.mark.parametrize("more", [(600_000, 130, 1, False), (600_000, 73, 2, False),
                                  (600_000, 65, 1, True), (900_000, 65, 1, False)])  # fmt: skip
def test_what_is_larger_is_expected_to_be(more: tuple[int, int, int, bool]) -> None:
    assert bloat.expected_size(*more) > bloat.expected_size(*BUILT)


def test_only_what_is_worth_it_is_chosen_most_waste_first(serving: FakeHost) -> None:
    rows = [
        ["public", "full", "t", 56 * MIB, *BUILT],
        ["public", "a_third_empty", "t", 252 * MIB, 1_800_000, 65, 1, False],
        ["public", "small", "t", 30 * MIB, 0, 8, 1, False],
        ["public", "half", "t", 140 * MIB, *BUILT],
        ["public", "empty", "t", 900 * MIB, 0, 8, 1, False],
    ]
    database(serving, pg_am=rows)
    assert [one.name for one in bloat.indexes("synapse")] == [
        ("public", "empty"), ("public", "half"),
    ]  # fmt: skip


@pytest.mark.parametrize("row", [["x"], [None] * 8, ["a", "b", "c", "d", 1, 2, 3, False]])
def test_a_database_that_lies_breaks_nothing(serving: FakeHost, row: list[object]) -> None:
    database(serving, **{key: [row] for key in ("pg_am", "n_dead_tup", "not i.indisvalid")})
    assert bloat.indexes("synapse") == ()
    assert bloat.unfinished("synapse") == ()
    assert bloat.uncleaned("synapse") == ()


def test_it_is_asked_as_synapse_s_role_with_postgresql_s_own_names(serving: FakeHost) -> None:
    database(serving)
    bloat.indexes("synapse")
    bloat.uncleaned("synapse")
    bloat.unfinished("synapse")
    for line in (serving.root / "asked").read_text().splitlines():
        connect = json.loads(line)["connect"]
        assert connect["user"] == "matrix-synapse"
        assert "-c search_path=pg_catalog,pg_temp " in connect["options"]
