"""The files of a PostgreSQL cluster that no tool of Debian's copies or changes."""

import os
import pwd
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

from ..base import disk, untrusted_files
from ..base.paths import Paths

OWNER = "postgres"
# Options that name the cluster itself, or that a copy must not have.
_COPIED = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")


def copy(paths: Paths, source: Path, target: Path, renamed: Mapping[str, str]) -> None:
    """The configuration of one cluster for another of the same version."""
    files = untrusted_files.contents(paths, [source / name for name in _COPIED], OWNER)
    for file, content in files.items():
        text = content.decode(errors="surrogateescape")
        for this, that in renamed.items():
            text = text.replace(this, that)
        write(target / file.name, text.encode(errors="surrogateescape"), 0o600)


def copy_further(
    paths: Paths, source: Path, target: Path, without: Collection[str] = ()
) -> list[Path]:
    """conf.d, which pg_upgradecluster leaves behind; what was copied. without: names to leave."""
    copied = []
    directory = source / "conf.d"
    if directory.is_dir():
        # PostgreSQL does not start without a directory that its configuration includes.
        with disk.opened(target / "conf.d", make=True):
            pass
    there = untrusted_files.names(paths, directory, OWNER)
    names = [one for one in there if one.endswith(".conf") and one not in without]
    files = untrusted_files.contents(paths, [directory / name for name in names], OWNER)
    for file, content in files.items():
        copy_of_it = target / "conf.d" / file.name
        if not os.path.lexists(copy_of_it):
            write(copy_of_it, content, stat.S_IMODE(file.stat().st_mode))
            copied.append(copy_of_it)
    return copied


def write(path: Path, content: bytes, mode: int) -> None:
    """In directories that belong to PostgreSQL's user, and for it."""
    owner = pwd.getpwnam(OWNER)
    disk.replace(path, content, mode, owner.pw_gid, owner.pw_uid)
