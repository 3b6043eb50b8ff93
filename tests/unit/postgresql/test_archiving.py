"""How PostgreSQL is told to give its files away, and how it is seen whether it does."""

import os
import pwd
import re
import subprocess
from pathlib import Path

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.postgresql import archiving, cluster_files, own_options
from altpeter_matrix.postgresql.cluster_list import Cluster, ClusterList
from altpeter_matrix.postgresql.connection import Row

_BOTH = f"test -x {archiving.PROGRAM} && test -e {archiving.configuration()}"


def answers(**settings: str) -> list[list[Row]]:
    known = {
        "archive_mode": "on", "archive_command": archiving.command(), "archive_timeout": "60",
        "wal_level": "replica", "wal_segment_size": "16777216", "data_directory": "/data",
    }  # fmt: skip
    rows: list[Row] = [[name, value] for name, value in {**known, **settings}.items()]
    return [rows, [[False]], [[3, 70]]]


def test_it_is_on_as_our_file_says() -> None:
    found = archiving.parsed(answers())
    assert found.on and not found.of_another and not found.pending
    assert (found.waiting, found.waiting_for, found.data) == (3, 70, Path("/data"))
    for other in ("archive_mode=off", "archive_command=cp", "archive_timeout=0"):
        name, _, value = other.partition("=")
        assert not archiving.parsed(answers(**{name: value})).on, other


@pytest.mark.parametrize("own", ["", "(disabled)", archiving.command()])
def test_only_another_program_is_in_the_way(own: str) -> None:
    assert not archiving.parsed(answers(archive_command=own)).of_another
    assert archiving.parsed(answers(archive_command="barman-wal-archive")).of_another
    off = answers(archive_mode="off", archive_command="barman-wal-archive")
    assert not archiving.parsed(off).of_another


def test_the_command_is_one_value_for_postgresql() -> None:
    assert "'" not in archiving.command()
    found = re.search(r"^archive_command = '(.*)'$", archiving.text(on=True), re.MULTILINE)
    assert found and found[1] == archiving.command()


def test_switched_off_nothing_waits_for_a_restart_nor_for_a_command() -> None:
    """archive_mode takes effect at a start only; without a command, all would be kept."""
    on, off = archiving.text(on=True).splitlines(), archiving.text(on=False).splitlines()
    assert on == [*off, f"archive_timeout = {archiving.SECONDS}"]
    assert f"archive_command = '{archiving.command()}'" in off


def test_of_two_clusters_the_one_that_is_stopped_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path)
    clusters = [
        Cluster(version, "main", 5432 + version, version == 17, tmp_path) for version in (15, 17)
    ]
    reloaded: list[Cluster] = []
    monkeypatch.setattr(ClusterList, "all", lambda _self: clusters)
    monkeypatch.setattr(own_options, "reload", reloaded.append)
    monkeypatch.setattr(cluster_files, "OWNER", pwd.getpwuid(os.getuid()).pw_name)
    for cluster in clusters:
        file = archiving.file_of(paths, cluster)
        file.parent.mkdir(parents=True)
        file.write_text(archiving.text(on=True))
    archiving.stop(paths)
    assert reloaded == [clusters[1]]
    written = {archiving.file_of(paths, cluster).read_text() for cluster in clusters}
    assert written == {archiving.text(on=False)}


@pytest.mark.parametrize("missing", ["program", "configuration"])
def test_nothing_is_kept_back_where_nobody_could_take_it(tmp_path: Path, missing: str) -> None:
    """The very text, with other paths."""
    program, file = tmp_path / "pgbackrest", tmp_path / "pgbackrest.conf"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/called\nexit 7\n')
    program.chmod(0o755)
    file.touch()
    text = archiving.command().replace(archiving.PROGRAM, str(program))
    text = text.replace(str(archiving.configuration()), str(file)).replace("%p", "pg_wal/000A")
    done = subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, check=False)
    assert done.returncode == 7, "what pgBackRest says is what PostgreSQL gets"
    called = (tmp_path / "called").read_text()
    assert called.endswith(f"--pg1-path={tmp_path} archive-push pg_wal/000A\n")
    (program if missing == "program" else file).unlink()
    assert subprocess.run(["/bin/sh", "-c", text], cwd=tmp_path, check=False).returncode == 0
