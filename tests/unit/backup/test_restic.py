"""What restic says when it fails, of both versions that Debian has, and what is told of it."""

import shutil
from pathlib import Path

import pytest

from altpeter_matrix.backup.access import Access
from altpeter_matrix.backup.restic import Restic
from altpeter_matrix.base.commands import Result
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.settings.backup_place import parse_place


@pytest.fixture
def restic(tmp_path: Path) -> Restic:
    access = Access(parse_place("/srv/backup"), Path("/p"), Path("/k"), 22, Path("/s"), None)
    return Restic(Paths(tmp_path), access)


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (1, "Fatal: wrong password or no key found", "/p: is not the password of /srv/backup"),
        (12, "Fatal: wrong password or no key found", "/p: is not the password of /srv/backup"),
        (
            1, "Fatal: unable to open config file\nIs there a repository at the following"
            " location?\n/srv/backup",
            "/srv/backup: holds no repository",
        ),
        (10, '{"message_type":"exit_error","code":10,"message":"Fatal: x"}', "no repository"),
        (11, '{"message_type":"exit_error","code":11,"message":"x"}', "another restic"),
        (1, "unable to create lock: repository is already locked by PID 1", "another restic"),
        (1, "Permission denied (publickey).", "does not let us in"),
        (1, '{"message_type":"exit_error","code":1,"message":"Fatal: no space"}', ": Fatal: no sp"),
        (1, "", "failed with status 1: no output"),
    ],
)  # fmt: skip
def test_a_failure_is_told_with_its_remedy(
    restic: Restic, status: int, said: str, told: str
) -> None:
    assert told in str(restic.failure(Result(("restic", "cat"), status, "", said)))


def test_a_disk_that_is_almost_full_gets_no_more(
    restic: Restic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HostError, match="mount the disk"):
        restic.require_room()
    (tmp_path / "srv/backup").mkdir(parents=True)
    restic.require_room()
    monkeypatch.setattr("altpeter_matrix.backup.restic._RESERVE", 2**62)
    monkeypatch.setattr("altpeter_matrix.backup.restic._SHARE", 1)
    monkeypatch.setattr("os.statvfs", lambda _: _Disk())
    with pytest.raises(HostError, match="has 10 MiB left, and 1000 have to stay free"):
        restic.require_room()


class _Disk:
    f_bavail, f_frsize, f_blocks = 10, 1024**2, 1000


def test_restic_is_missed_by_its_name(restic: Restic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(HostError, match="`apt install restic`"):
        restic.prepare()
