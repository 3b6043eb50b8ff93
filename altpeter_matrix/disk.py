"""Writing to disk so that a crash leaves the old file or the new one, never a part of one."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

_TEMPORARY = re.compile(r"^\..+\.(?P<process>\d+)-[^.]+\.new$")


def synchronise_directory(directory: Path) -> None:
    """Make a rename in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def synchronise_file(path: Path) -> None:
    """Make the content of a file that another program wrote survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes, mode: int, group: int | None = None) -> None:
    """Write a file that does not exist yet; nobody can open it before it has its mode."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        # Also without a group: a set-group-ID directory would choose another one.
        os.fchown(descriptor, -1, os.getegid() if group is None else group)
        os.fchmod(descriptor, mode)
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)


def _temporary(path: Path) -> Path:
    """Its name begins with a dot and has no suffix that nginx's or Synapse's directory scans pick
    up. It tells whose it is: several programs of ours write into the same directory."""
    prefix = f".{path.name}.{os.getpid()}-"
    return Path(tempfile.mktemp(prefix=prefix, suffix=".new", dir=path.parent))


def abandoned(directory: Path) -> Iterator[Path]:
    """Temporary files that killed processes have left; not one that is just being written. Where
    another process has got the number since, the file is left to a later look."""
    for path in directory.glob(".*.new"):
        found = _TEMPORARY.match(path.name)
        process = int(found["process"]) if found else None
        if process in {None, os.getpid()} or not Path(f"/proc/{process}").exists():
            yield path


def replace(path: Path, content: bytes, mode: int, group: int | None = None) -> None:
    """Put `content` at `path` by rename."""
    temporary = _temporary(path)
    try:
        write_new(temporary, content, mode, group)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    synchronise_directory(path.parent)


def replace_link(path: Path, target: str | Path) -> None:
    """Point the symbolic link `path` to `target` with one rename(2)."""
    temporary = _temporary(path)
    try:
        temporary.symlink_to(target)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    synchronise_directory(path.parent)


def ensure_directory(path: Path, mode: int, group: int | None = None) -> None:
    """Make a directory of ours, or give it back its mode and group."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        old_umask = os.umask(0o777 & ~mode)
        try:
            path.mkdir(mode=mode, exist_ok=True)
        finally:
            os.umask(old_umask)
    state = path.stat()
    if group is not None and state.st_gid != group:
        os.chown(path, -1, group)
    if state.st_mode & 0o7777 != mode:
        path.chmod(mode)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
