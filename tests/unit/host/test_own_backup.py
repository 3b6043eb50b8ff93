"""What is told of the backup that this package makes, and what it means for an upgrade."""

import time
from pathlib import Path

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.host import backup_record, own_backup
from altpeter_matrix.host.backup_record import BackupRecord
from altpeter_matrix.upgrade import preflight

from ..samples import settings

DAY = 86400.0
SETTINGS = "server_name: example.org\nbackup: {to: /srv/backup}\n"
WRONG = ("/srv/backup", "is full", "free some space")


@pytest.fixture(autouse=True)
def restic_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/restic")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    for directory in (paths.state, paths.configuration):
        directory.mkdir(parents=True)
    paths.settings.write_text(SETTINGS)
    return paths


def told(paths: Paths, record: BackupRecord, text: str = SETTINGS) -> list[str]:
    backup_record.write(paths, record)
    found = settings(text)
    both = own_backup.problems(paths, found), own_backup.drill_problems(paths, found)
    return [str(one) for problems in both for one in problems]


def good(**more: object) -> BackupRecord:
    return BackupRecord(succeeded=time.time() - DAY / 2).but(**more)


def test_nothing_is_told_of_a_good_one_nor_without_the_setting(paths: Paths) -> None:
    assert told(paths, good()) == []
    assert told(paths, BackupRecord(problem=WRONG), "server_name: example.org\n") == []


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (BackupRecord(), "holds no backup yet; the first is due at 03:30"),
        (good(problem=WRONG), "the last backup failed: is full; free some space"),
        (good(succeeded=time.time() - 3 * DAY), "older than the 2d of updates.backup_max_age"),
        (good(warning=WRONG), "/srv/backup: is full"),
        (good(unverified=WRONG), "/srv/backup: is full"),
        (good(drilled=1.0, drill_problem=WRONG, drilled_backup="x"), "could not be restored"),
        (good(drilled=time.time() - 70 * DAY), "was restored for a trial last on"),
    ],
)
def test_what_is_wrong_is_told(paths: Paths, record: BackupRecord, says: str) -> None:
    found = told(paths, record)
    assert len(found) == 1 and says in found[0], found


def test_restic_is_missed(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert "`apt install restic`" in told(paths, good())[0]


def test_a_damaged_record_is_as_good_as_none(paths: Paths) -> None:
    paths.backup_state.write_text("{")
    assert backup_record.read(paths) == BackupRecord()


def upgrade_findings(paths: Paths) -> tuple[list[str], list[str]]:
    found, skipped = preflight._backup(paths, "Synapse 2", way_back=False, security=False)
    return [str(one) for one in found], skipped


def test_an_upgrade_without_a_way_back_waits_for_it(paths: Paths) -> None:
    assert "error: /srv/backup: holds no backup yet" in upgrade_findings(paths)[0][0]
    backup_record.write(paths, good())
    assert upgrade_findings(paths) == ([], [])


def test_one_of_the_two_backups_is_enough_for_an_upgrade(paths: Paths) -> None:
    """Ours, and that of the administrator's own program."""
    paths.settings.write_text(f"{SETTINGS}updates: {{backup: /var/backups/x}}\n")
    assert upgrade_findings(paths)[0]
    backup_record.write(paths, good())
    assert upgrade_findings(paths) == ([], [])
