"""What this host forbids is refused before anything changes."""

import json
import shutil
import sqlite3
from collections.abc import Callable

import pytest

from altpeter_matrix.apply.preflight import port_problems
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.errors import HostError, MatrixConfigError, Problem
from altpeter_matrix.base.locks import exclusive
from altpeter_matrix.settings.model import parse_settings_text

from ..fake_host import NAME, FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]


def foreign_listener(host: FakeHost, port: int) -> None:
    """A process `apache2` that listens on a port."""
    row = f"0: 00000000:{port:04X} 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n"
    host.write("proc/net/tcp", f"sl local\n{row}")
    host.write("proc/99/comm", "apache2\n")
    host.write("proc/99/cgroup", "0::/system.slice/apache2.service\n")
    (host.root / "proc/99/fd").mkdir(parents=True)
    (host.root / "proc/99/fd/3").symlink_to("socket:[4711]")


def database(host: FakeHost, name: str = "synapse", **changes: str) -> None:
    right = {"encoding": "UTF8", "collate": "C", "ctype": "C", "owner": "matrix-synapse"}
    row = ({**right, **changes}).values()
    host.write(f"cluster/database-{name}", json.dumps([*row, "/var/lib/postgresql/15/main"]))


def port_80(host: FakeHost) -> None:
    foreign_listener(host, 80)


def port_8008(host: FakeHost) -> None:
    foreign_listener(host, 8008)


def collation(host: FakeHost) -> None:
    database(host, collate="en_US.UTF-8")


def encoding(host: FakeHost) -> None:
    database(host, encoding="SQL_ASCII")


def owner(host: FakeHost) -> None:
    database(host, owner="postgres")


def no_cluster(host: FakeHost) -> None:
    host.break_program("postgresql", "connection to server failed: No such file or directory")


def no_synapse(host: FakeHost) -> None:
    (host.root / "var/lib/dpkg/info/matrix-synapse-py3.list").unlink()


def old_debian(host: FakeHost) -> None:
    host.write("etc/os-release", 'ID=debian\nVERSION_ID="11"\nPRETTY_NAME="Debian 11"\n')


def other_system(host: FakeHost) -> None:
    host.write("etc/os-release", 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04"\n')


def other_name(host: FakeHost) -> None:
    database(host)
    host.write("cluster/users", "")
    host.settings("server_name: other.example.org\n")


def other_database(host: FakeHost) -> None:
    database(host)
    host.write("cluster/users", "")
    host.settings(f"server_name: {NAME}\ndatabase: {{name: new}}\n")


def no_settings(host: FakeHost) -> None:
    host.paths.settings.unlink()


def binary_settings(host: FakeHost) -> None:
    host.paths.settings.write_bytes(b"server_name: \xff\xfe\n")


def binary_addition(host: FakeHost) -> None:
    host.write("etc/altpeter-matrix/nginx.d/x.conf", "")
    (host.paths.nginx_additions / "x.conf").write_bytes(b"\xff")


def broken_neighbour(host: FakeHost) -> None:
    host.write("etc/matrix-synapse/conf.d/own.yaml", "a: [\n")


def no_password(host: FakeHost) -> None:
    host.settings(
        f"server_name: {NAME}\n"
        "email: {smtp_host: mail.example.org, username: matrix, from: m@example.org}\n"
    )


@pytest.mark.parametrize(
    ("spoil", "where", "what"),
    [
        (port_80, "port 80", "port 80 is taken by apache2 (process 99)"),
        (port_8008, "settings.yaml: listener.port", "port 8008 is taken by apache2"),
        (collation, "PostgreSQL database synapse", "has the collation en_US.UTF-8, not C"),
        (encoding, "PostgreSQL database synapse", "has the encoding SQL_ASCII"),
        (owner, "PostgreSQL database synapse", "belongs to postgres"),
        (no_cluster, "PostgreSQL", "does not answer"),
        (no_synapse, "Synapse", "is not installed"),
        (old_debian, "/etc/os-release", "Debian 11 is not supported"),
        (other_system, "/etc/os-release", "Ubuntu 24.04 is not supported"),
        (other_name, "settings.yaml: server_name", "can never change"),
        (other_database, "settings.yaml: database.name", "holds no server"),
        (no_settings, "settings.yaml", "is missing"),
        (binary_settings, "settings.yaml", "is not UTF-8"),
        (binary_addition, "x.conf", "is not UTF-8"),
        (broken_neighbour, "own.yaml", "cannot be read as YAML"),
        (no_password, "secrets/smtp_password", "is missing"),
    ],
)
def test_refused_before_anything_changes(
    serving: FakeHost, spoil: Callable[[FakeHost], None], where: str, what: str
) -> None:
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    spoil(serving)
    # Also where nothing of the settings changed, as after an upgrade.
    with pytest.raises(MatrixConfigError) as caught:
        apply(serving.host)
    found = [problem for problem in caught.value.problems if what in problem.what]
    assert found, caught.value
    assert where in found[0].where
    assert found[0].remedy
    assert serving.paths.current.readlink().name == "1"
    assert serving.actions() == []
    assert serving.calls("createdb") == []


def test_a_sqlite_file_that_cannot_be_read_is_not_taken_for_an_empty_one(fresh: FakeHost) -> None:
    """It may be locked by Synapse, or damaged: on PostgreSQL all users would seem lost."""
    file = fresh.write("var/lib/matrix-synapse/homeserver.db", "half a page of a database\n" * 99)
    with pytest.raises(HostError, match=r"homeserver\.db: may hold the users"):
        apply(fresh.host)
    assert not fresh.paths.current.exists()
    file.unlink()
    with sqlite3.connect(file) as begun:
        begun.execute("create table schema_version (version)")
    apply(fresh.host)


def synapse_listens(host: FakeHost) -> None:
    foreign_listener(host, 8008)
    host.write("proc/99/cgroup", "0::/system.slice/matrix-synapse.service\n")


def found_taken(host: FakeHost) -> list[Problem]:
    settings = parse_settings_text(f"server_name: {NAME}\n", source="settings.yaml")
    return port_problems(host.paths, settings)


def test_a_busy_synapse_that_closes_a_connection_is_still_the_owner_of_its_port(
    serving: FakeHost,
) -> None:
    synapse_listens(serving)
    serving.write("proc/99/fd/1", "no link: reading it fails as for one that was closed")
    assert found_taken(serving) == []


def test_a_synapse_that_ends_while_its_port_is_looked_at_is_not_foreign(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    synapse_listens(serving)
    shutil.rmtree(serving.root / "proc/99")
    monkeypatch.setattr(
        "altpeter_matrix.apply.preflight.time.sleep",
        lambda _seconds: serving.write("proc/net/tcp", "sl local\n"),
    )
    assert found_taken(serving) == []


def test_a_port_that_no_process_holds_is_named_with_what_finds_it(
    serving: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    synapse_listens(serving)
    shutil.rmtree(serving.root / "proc/99")
    monkeypatch.setattr("altpeter_matrix.apply.preflight.SECOND_LOOK", 0)
    (problem,) = found_taken(serving)
    assert "no process of this host" in problem.what
    assert "ss -ltnpe" in problem.remedy


def test_an_error_never_quotes_a_line_that_may_hold_a_secret(serving: FakeHost) -> None:
    serving.write("etc/matrix-synapse/conf.d/own.yaml", "turn_shared_secret: [hunter2\nb: c\n")
    with pytest.raises(MatrixConfigError) as caught:
        apply(serving.host)
    assert "own.yaml" in str(caught.value)
    assert "line 2" in str(caught.value)
    assert "hunter2" not in str(caught.value) + serving.paths.outcome.read_text()


def test_ports_that_our_own_services_hold_are_no_obstacle(serving: FakeHost) -> None:
    foreign_listener(serving, 8008)
    serving.write("proc/99/cgroup", "0::/system.slice/matrix-synapse.service\n")
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    assert apply(serving.host).generation == 2


def test_all_reasons_come_at_once(fresh: FakeHost) -> None:
    old_debian(fresh)
    port_80(fresh)
    collation(fresh)
    with pytest.raises(HostError) as caught:
        apply(fresh.host)
    assert len(caught.value.problems) == 3


def test_a_server_that_never_ran_takes_the_name_of_the_settings(fresh: FakeHost) -> None:
    fresh.settings("server_name: other.example.org\n")
    apply(fresh.host)
    text = (fresh.paths.synapse_conf_d / "server_name.yaml").read_text()
    assert "\nserver_name: other.example.org\n" in text


def test_an_empty_server_name_of_a_noninteractive_installation_is_filled(fresh: FakeHost) -> None:
    fresh.write("etc/matrix-synapse/conf.d/server_name.yaml", "server_name: \n")
    apply(fresh.host)
    text = (fresh.paths.synapse_conf_d / "server_name.yaml").read_text()
    assert f"\nserver_name: {NAME}\n" in text


def test_a_second_apply_waits_then_says_who_is_at_work(serving: FakeHost) -> None:
    serving.settings(f"server_name: {NAME}\npresence: false\n")
    with exclusive(serving.paths), pytest.raises(HostError, match=r"process \d+"):
        apply(serving.host, wait=0.2)
