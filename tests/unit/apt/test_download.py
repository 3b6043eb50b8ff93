"""A downloaded package is what the repository's signed lists name, or it is not there at all."""

import hashlib
from pathlib import Path

import pytest

from altpeter_matrix.apt import download
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths

GOOD = b"the package of the repository"
SHA256 = hashlib.sha256(GOOD).hexdigest()
NAME = "matrix-synapse-py3_1.164.0_all.deb"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "into").mkdir()
    (tmp_path / "secret").write_bytes(GOOD)
    program(tmp_path, "apt-cache", f"echo 'Version: 1.164.0'; echo 'SHA256: {SHA256}'")
    return Paths(tmp_path / "root")


def program(top: Path, name: str, script: str) -> None:
    file = top / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def fetch(paths: Paths, tmp_path: Path) -> Path:
    return download.fetch(paths, "matrix-synapse-py3", "1.164.0", tmp_path / "into")


def test_it_is_root_s_own_copy(paths: Paths, tmp_path: Path) -> None:
    program(tmp_path, "apt-get", f"printf '{GOOD.decode()}' > {NAME}")
    file = fetch(paths, tmp_path)
    assert file.read_bytes() == GOOD and file.parent == tmp_path / "into"
    assert list(paths.state.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "what"),
    [
        (f"echo other > {NAME}", "is not the file that the repository's lists name"),
        (f"ln -s ../../../../../secret {NAME}", "is not the file"),
        (f"mkfifo {NAME}", "is not the file"),
        (f"mkdir {NAME}", "is not the file"),
        (f"touch {NAME} b.deb", "cannot be downloaded"),
        ("echo 'E: 404' >&2; exit 100", "E: 404"),
    ],
    ids=["other", "link", "pipe", "directory", "two", "none"],
)
def test_what_apts_user_puts_in_its_place_is_not_taken(
    paths: Paths, tmp_path: Path, script: str, what: str
) -> None:
    program(tmp_path, "apt-get", script)
    with pytest.raises(HostError, match=what):
        fetch(paths, tmp_path)
    assert list((tmp_path / "into").iterdir()) == []
    assert list(paths.state.iterdir()) == []


def test_without_a_checksum_nothing_is_downloaded(paths: Paths, tmp_path: Path) -> None:
    program(tmp_path, "apt-cache", "echo 'Status: install ok installed'")
    program(tmp_path, "apt-get", f"touch {tmp_path / 'called'}")
    with pytest.raises(HostError, match="no repository has it"):
        fetch(paths, tmp_path)
    assert not (tmp_path / "called").exists()
