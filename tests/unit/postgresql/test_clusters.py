"""Two PostgreSQL clusters on one host: which one Synapse's database is in, and has to be in."""

from pathlib import Path

import pytest

from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.postgresql import database_record, layout
from altpeter_matrix.postgresql.synapse_database import Database
from altpeter_matrix.postgresql.upgrade_journal import Journal, Move, Phase
from altpeter_matrix.synapse.config_files import local_database

from ..fake_host import FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

THERE = Database("UTF8", "C", "C", "matrix-synapse", users=True, place="/data/15/main")
EMPTY = Database("UTF8", "C", "C", "matrix-synapse", users=False, place="/data/17/main")


def configure(root: Path, version: int, name: str, text: str) -> None:
    directory = root / f"etc/postgresql/{version}/{name}"
    directory.mkdir(parents=True)
    (directory / "postgresql.conf").write_text(text)


def test_ports_are_those_of_the_last_line_or_the_standard_one(tmp_path: Path) -> None:
    configure(tmp_path, 15, "main", "#port = 5999\nport = 5432\nport = 5433  # moved\n")
    configure(tmp_path, 17, "main", "max_connections = 100\n")
    configure(tmp_path, 17, "other", "port = '5440'\n")
    paths = Paths(tmp_path)
    assert layout.ports(paths) == {(15, "main"): 5433, (17, "main"): 5432, (17, "other"): 5440}
    assert layout.version_on_standard_port(paths) == 17


def test_a_database_on_another_port_is_not_the_local_one() -> None:
    arguments = {"dbname": "synapse", "host": "/var/run/postgresql"}
    options = {"database": {"name": "psycopg2", "args": arguments}}
    assert local_database(options) == "synapse"
    for port, found in ((5432, "synapse"), ("5432", "synapse"), (5433, None)):
        with_port = {"database": {"name": "psycopg2", "args": {**arguments, "port": port}}}
        assert local_database(with_port) == found


def test_the_recorded_database_has_to_be_there_and_full(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.state.mkdir(parents=True)
    assert database_record.problems(paths, "synapse", None) == []
    database_record.write(paths, "synapse", THERE)
    assert database_record.problems(paths, "synapse", THERE) == []
    for found in (None, EMPTY):
        (problem,) = database_record.problems(paths, "synapse", found)
        assert "/data/15/main before" in problem.what
    assert database_record.problems(paths, "another", None) == []


def test_without_a_record_two_clusters_are_a_reason_to_ask(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.current.mkdir(parents=True)
    configure(tmp_path, 15, "main", "port = 5433\n")
    assert database_record.problems(paths, "synapse", None) == []
    configure(tmp_path, 17, "main", "port = 5432\n")
    assert len(database_record.problems(paths, "synapse", None)) == 1
    assert database_record.problems(paths, "synapse", EMPTY) == []


def test_apply_makes_no_second_database(serving: FakeHost) -> None:
    (serving.root / "cluster/users").touch()
    serving.settings("server_name: matrix.example.org\npresence: false\n")
    apply(serving.host)
    serving.forget_calls()
    for path in (serving.root / "cluster").iterdir():
        path.unlink()
    serving.settings("server_name: matrix.example.org\npresence: true\n")
    with pytest.raises(HostError, match="is not in the cluster that answers on port 5432"):
        apply(serving.host)
    assert "createdb" not in (serving.root / "calls").read_text()


def test_apply_with_nothing_to_do_still_tells_of_an_interrupted_move(serving: FakeHost) -> None:
    move = Move(Phase.MOVING, 15, 17, "main", 5432, "auto\n", synapse_ran=True)
    Journal(serving.paths).write(move)
    with pytest.raises(HostError, match="--undo"):
        apply(serving.host)
    Journal(serving.paths).clear()
    apply(serving.host)
