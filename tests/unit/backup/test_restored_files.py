"""The files of a backup in the place of those that are here, and back."""

import os
from pathlib import Path

import pytest

from altpeter_matrix.backup.access import Access
from altpeter_matrix.backup.restored_files import RestoredFiles
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.settings.backup_place import parse_place

from .fake_restore import described

PUBLIC = "etc/altpeter-matrix/secrets/backup_ssh_key.pub"
PASSWORD = "etc/altpeter-matrix/secrets/backup_password"
SECRET = "etc/altpeter-matrix/secrets/macaroon_secret_key"
HOMESERVER = "etc/matrix-synapse/homeserver.yaml"
LINK = "etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"
OURS = "/var/lib/altpeter-matrix/current/synapse/altpeter-matrix.yaml"


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def files(tmp_path: Path) -> RestoredFiles:
    """A host and a staged backup that differ everywhere."""
    paths = Paths(tmp_path)
    uid, gid = os.getuid(), os.getgid()
    write(tmp_path, {
        "etc/passwd": f"matrix-synapse:x:{uid}:{gid}::/:\n",
        "etc/group": f"matrix-synapse:x:{gid}:\n",
        PASSWORD: "of the repository that was just opened", PUBLIC: "new", SECRET: "here",
        HOMESERVER: "here",
        "etc/altpeter-matrix/synapse.d/here.yaml": "", "etc/matrix-synapse/conf.d/here.yaml": "",
        "etc/matrix-synapse/notes": "not read by Synapse",
    })  # fmt: skip
    (tmp_path / LINK).symlink_to(OURS)
    paths.restore.mkdir(parents=True)
    access = Access(
        parse_place("/srv/backup"),
        Path(f"/{PASSWORD}"),
        Path(f"/{PUBLIC}").with_suffix(""),
        22,
        Path("/s3"),
        None,
    )
    found = RestoredFiles(paths, described(), access)
    write(found.staged, {
        PASSWORD: "older", PUBLIC: "older", SECRET: "backup", HOMESERVER: "backup",
        "etc/matrix-synapse/log.yaml": "backup", "etc/matrix-synapse/key": "backup",
        "etc/altpeter-matrix/nginx.d/backup.conf": "",
    })  # fmt: skip
    (found.staged / SECRET).chmod(0o600)
    (found.staged / LINK).parent.mkdir()
    (found.staged / LINK).symlink_to(OURS)
    (found.staged / "etc/matrix-synapse/own").symlink_to("/srv/keys")
    os.mkfifo(found.staged / "etc/matrix-synapse/pipe")
    return found


def state(root: Path) -> dict[str, str]:
    """Every file and link below /etc, with what is in it."""
    return {
        str(one.relative_to(root)): os.readlink(one) if one.is_symlink() else one.read_text()
        for one in sorted((root / "etc").rglob("*"))
        if one.is_symlink() or one.is_file()
    }


def test_the_backups_take_the_place_of_those_that_are_here(files: RestoredFiles) -> None:
    files.keep_present()
    files.install()
    found = state(files.paths.root)
    assert found[SECRET] == "backup" and found["etc/matrix-synapse/key"] == "backup"
    assert (files.paths.root / SECRET).stat().st_mode & 0o777 == 0o600
    assert found["etc/matrix-synapse/own"] == "/srv/keys"
    assert "etc/altpeter-matrix/synapse.d/here.yaml" not in found, "Synapse would read it"
    assert "etc/matrix-synapse/conf.d/here.yaml" not in found
    assert found["etc/matrix-synapse/notes"] == "not read by Synapse"
    assert not os.path.lexists(files.paths.root / "etc/matrix-synapse/pipe")


def test_some_stay(files: RestoredFiles) -> None:
    files.install()
    found = state(files.paths.root)
    assert found[PASSWORD] == "of the repository that was just opened"
    assert found[PUBLIC] == "new", "ssh would take the private key for another one"
    assert found[HOMESERVER] == "here", "dpkg would ask about an old text"
    assert found["etc/matrix-synapse/log.yaml"] == "backup", "there was none"
    assert found[LINK] == OURS


def test_back_is_as_it_was(files: RestoredFiles) -> None:
    before = state(files.paths.root)
    files.keep_present()
    files.install()
    files.keep_present()  # by a run after one that was killed
    files.put_back()
    assert state(files.paths.root) == before
    files.put_back()
    assert state(files.paths.root) == before
