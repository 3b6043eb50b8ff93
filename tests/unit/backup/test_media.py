"""What of a backup's media gets into Synapse's directory: its own files, and nothing else."""

import io
import os
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from altpeter_matrix.backup import media
from altpeter_matrix.backup.catalogue import Backup
from altpeter_matrix.backup.processes import Program
from altpeter_matrix.backup.restic import Restic
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.paths import Paths

from .fake_restore import NAME, described

MEDIA = "var/lib/matrix-synapse/media"
OWN, ROOT = 100, 0
BACKUP = Backup(NAME, "example.org", "host", "1", "2")


def member(name: str, text: str = "x", *, uid: int = OWN, kind: bytes = tarfile.REGTYPE) -> tuple[
    tarfile.TarInfo, bytes
]:  # fmt: skip
    found = tarfile.TarInfo(name)
    found.uid, found.type, found.mode = uid, kind, 0o640
    content = text.encode() if kind == tarfile.REGTYPE else b""
    found.size, found.linkname = len(content), "" if content else "/etc"
    return found, content


def restored(
    root: Path, monkeypatch: pytest.MonkeyPatch, *members: tuple[tarfile.TarInfo, bytes],
    status: int = 0,
) -> int:  # fmt: skip
    """How many files were written of an archive that restic prints."""
    archive, programs = root / "archive", root / "bin"
    with tarfile.open(archive, "w") as out:
        for found, content in members:
            out.addfile(found, io.BytesIO(content))
    programs.mkdir()
    (programs / "runuser").write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    (programs / "runuser").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    (root / MEDIA).mkdir(parents=True, exist_ok=True)
    restic = SimpleNamespace(
        paths=Paths(root),
        run=lambda *_args, **_options: SimpleNamespace(stdout=f'"path":"/{MEDIA}/local_content"'),
        program=lambda *_: Program(["sh", "-c", f"cat {archive}; exit {status}"], {}),
    )
    return media.restore(cast(Restic, restic), BACKUP, described())


def there(root: Path) -> dict[str, str]:
    top = root / MEDIA
    return {str(one.relative_to(top)): one.read_text() for one in top.rglob("*") if one.is_file()}


def test_files_get_to_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = member(f"{MEDIA}/local_content/aa/file", "hello")
    assert restored(tmp_path, monkeypatch, wanted) == 1
    assert there(tmp_path) == {"local_content/aa/file": "hello"}


def test_what_is_there_stays_and_a_part_of_a_file_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("whole", "HELLO"), ("part", "he"), ("newer", "later")):
        file = tmp_path / MEDIA / "local_content" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    found = [member(f"{MEDIA}/local_content/{name}", "hello") for name in ("whole", "part")]
    assert restored(tmp_path, monkeypatch, *found) == 1
    assert there(tmp_path) == {
        "local_content/whole": "HELLO", "local_content/part": "hello",
        "local_content/newer": "later",
    }  # fmt: skip


def test_nothing_of_others_gets_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where somebody has replaced a directory by a link while restic walked through it."""
    written = restored(
        tmp_path, monkeypatch,
        member(f"{MEDIA}/local_content/shadow", "root's", uid=ROOT),
        member(f"{MEDIA}/local_content/link", kind=tarfile.SYMTYPE),
        member(f"{MEDIA}/local_content/pipe", kind=tarfile.FIFOTYPE),
        member(f"{MEDIA}/local_content/device", kind=tarfile.CHRTYPE),
        member(f"{MEDIA}/local_content/../../../escaped", "out"),
        member("etc/passwd", "out"),
    )  # fmt: skip
    assert written == 0 and there(tmp_path) == {}
    assert list((tmp_path / MEDIA).rglob("*")) == []


def test_half_an_archive_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostError, match="failed with status 7"):
        restored(tmp_path, monkeypatch, member(f"{MEDIA}/local_content/a"), status=7)
