"""A move from SQLite: what is refused beforehand, and what is said after one that was killed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from altpeter_matrix.adopt import from_sqlite
from altpeter_matrix.adopt.from_sqlite import Move
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.postgresql import synapse_database
from altpeter_matrix.synapse import handmade

OPTION = {"name": "psycopg2", "args": {"dbname": "synapse"}}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A host that runs, with no database of that name in PostgreSQL."""
    monkeypatch.setattr(synapse_database, "inspect", lambda _name: None)
    found = Paths(tmp_path)
    found.systemd_running.mkdir(parents=True)
    return found


def on_sqlite(paths: Paths, *updates: str) -> Move:
    """A server with these updates waiting."""
    source = paths.root / "homeserver.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("create table background_updates (update_name, ordering)")
        connection.executemany("insert into background_updates values (?, 0)", zip(updates))
        connection.commit()
    return Move(source, OPTION)


def test_a_database_that_is_up_to_date_can_be_moved(paths: Paths) -> None:
    assert not list(from_sqlite.problems(paths, on_sqlite(paths)))


@pytest.mark.parametrize(
    ("updates", "said"),
    [
        (["a"], "1 update in the background: a)"),
        (["b", "a"], "2 updates in the background: a, b)"),
        (["a", "b", "c", "d"], "4 updates in the background: a, b, c, …)"),
    ],
)
def test_one_that_synapse_still_updates_is_refused_with_what_is_left(
    paths: Paths, updates: list[str], said: str
) -> None:
    [problem] = from_sqlite.problems(paths, on_sqlite(paths, *updates))
    assert said in problem.what
    assert "hours" in problem.remedy and "how many are left" in problem.remedy


@pytest.mark.parametrize("kind", ["no database", "nothing", "directory", "another table"])
def test_what_is_no_database_of_synapses_is_named(paths: Paths, kind: str) -> None:
    source = paths.root / "homeserver.db"
    if kind == "no database":
        source.write_text("x" * 1000)
    elif kind == "directory":
        source.mkdir()
    elif kind == "another table":
        sqlite3.connect(source).execute("create table other (x)").connection.close()
    [problem] = from_sqlite.problems(paths, Move(source, OPTION))
    assert problem.where == f"SQLite database {source}"
    assert problem.what.startswith("cannot be read (")


def test_names_that_are_none_are_said_on_one_line(paths: Paths) -> None:
    [problem] = from_sqlite.problems(paths, on_sqlite(paths, "a\x1b[2J\nb", 7, None))  # type: ignore[arg-type]
    assert problem.what.isprintable() and "3 updates" in problem.what


def test_a_move_that_was_killed_is_told_with_both_ways_out(paths: Paths) -> None:
    paths.state.mkdir(parents=True)
    paths.move_from_sqlite.write_text("synapse\n")
    [problem] = handmade.problems(paths)
    assert "has not ended" in problem.what
    assert "`altpeter-matrix adopt` again" in problem.remedy and "--undo" in problem.remedy
