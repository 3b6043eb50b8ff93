"""What is told of the archive of PostgreSQL, and of what does not get there."""

from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host import archive_record
from altpeter_matrix.host.archive_record import ArchiveRecord
from altpeter_matrix.postgresql import archiving
from altpeter_matrix.postgresql.archiving import Archiving
from altpeter_matrix.postgresql.cluster_list import Cluster
from altpeter_matrix.status import looks
from altpeter_matrix.status.checks import point_in_time

from ..samples import settings
from .given import Given

ON = settings("server_name: example.org\nbackup: {to: /srv/a, point_in_time: /mnt/wal}\n")
OFF = settings("server_name: example.org\nbackup: {to: /srv/a}\n")
CLUSTER = Cluster(15, "main", 5432, running=True, data=Path("/data"))
WELL = Archiving(
    mode="on", pending=False, command=archiving.command(), timeout=60, wal_level="replica",
    segment_size=16 * 1024**2, data=Path("/data"), waiting=0, waiting_for=0,
)  # fmt: skip


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pgBackRest and its configuration are there."""
    program, file = tmp_path / "pgbackrest", tmp_path / "pgbackrest.conf"
    program.touch(mode=0o755)
    file.touch()
    monkeypatch.setattr(archiving, "PROGRAM", str(program))
    monkeypatch.setattr(archiving, "configuration", lambda: file)
    return tmp_path


@pytest.mark.parametrize(
    ("facts", "faults"),
    [
        (WELL, []),
        (replace(WELL, mode="off"), ["archiving-off"]),
        (replace(WELL, command="cp"), ["archiving-off"]),
        (replace(WELL, waiting=2, waiting_for=600), []),
        (replace(WELL, waiting=2, waiting_for=901), ["archiving-behind"]),
    ],
)
def test_what_does_not_get_there_is_told(facts: Archiving, faults: list[str]) -> None:
    facts = replace(facts, command=archiving.command()) if facts.command != "cp" else facts
    answers = {looks.written_settings: ON, looks.cluster: CLUSTER, point_in_time.facts: facts}
    assert [one.id for one in point_in_time.shipped(Given(answers))] == faults
    assert not list(point_in_time.shipped(Given({**answers, looks.written_settings: OFF})))


def test_a_configuration_that_is_missing_is_told(configured: Path) -> None:
    (configured / "pgbackrest.conf").unlink()
    facts = replace(WELL, command=archiving.command())
    answers = {looks.written_settings: ON, looks.cluster: CLUSTER, point_in_time.facts: facts}
    assert [one.id for one in point_in_time.shipped(Given(answers))] == ["archiving-off"]


def test_what_is_wrong_with_the_archive_is_told(configured: Path) -> None:
    paths = Paths(configured)
    paths.state.mkdir(parents=True)

    def told() -> list[str]:
        view = Given({looks.written_settings: ON}, configured)
        return [one.id for one in point_in_time.kept(view)]

    assert told() == []
    archive_record.write(paths, ArchiveRecord(lost=True))
    assert told() == ["archive-incomplete"]
    archive_record.write(paths, ArchiveRecord(problem=("/mnt/wal", "is full", "free space")))
    assert told() == ["archive-backup-failed"]
    (configured / "pgbackrest").unlink()
    assert told() == ["pgbackrest-missing"]
    assert not list(point_in_time.kept(Given({looks.written_settings: OFF}, configured)))
