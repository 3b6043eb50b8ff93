"""Writing to disk so that a crash leaves the old file or the new one, never a part of one."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

_MOST_LINKS = 40
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


@contextmanager
def opened(directory: Path, *, make: bool = False) -> Iterator[int]:
    """A directory to write in, whatever another user does with the path meanwhile.

    A link on the way is followed only where root alone (or who runs this) can have made it. In
    /etc/matrix-synapse, which belongs to that user, one would choose where root writes.
    make: what is missing of it is made.
    """
    held = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        rest, trusted, links = deque(directory.absolute().parts[1:]), True, 0
        while rest:
            name = rest.popleft()
            trusted = trusted and _is_ours_alone(os.fstat(held))
            if make:
                _make_directory(name, held)
            entered = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=held)
            state = os.fstat(entered)
            if stat.S_ISLNK(state.st_mode):
                target = PurePath(os.readlink("", dir_fd=entered))
                os.close(entered)
                links += 1
                if not trusted or links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, f"{name} is a link, where another user can make one")
                if target.is_absolute():
                    os.close(held)
                    held, trusted = os.open("/", os.O_PATH | os.O_CLOEXEC), True
                rest.extendleft(reversed([one for one in target.parts if one != "/"]))
                continue
            os.close(held)
            held = entered
            if not stat.S_ISDIR(state.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as error:
        os.close(held)
        error.filename = str(directory)
        raise
    try:
        yield held
    finally:
        os.close(held)


def _is_ours_alone(state: os.stat_result) -> bool:
    return state.st_uid in {0, os.geteuid()} and not state.st_mode & 0o022


def _make_directory(name: str, parent: int) -> None:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)


def write_new(path: Path, content: bytes, mode: int, group: int | None = None) -> None:
    """Write a file that does not exist yet; nobody can open it before it has its mode."""
    with opened(path.parent) as directory, _naming(path):
        _write_new(path.name, directory, content, mode, -1, group)


def _write_new(  # noqa: PLR0917 - keyword names would only repeat the types
    name: str, directory: int, content: bytes, mode: int, owner: int, group: int | None
) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as stream:
        # Also without a group: a set-group-ID directory would choose another one.
        os.fchown(descriptor, owner, os.getegid() if group is None else group)
        os.fchmod(descriptor, mode)
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What goes wrong names the whole path, and not what it is called in its directory."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        error.filename2 = None
        raise


def _temporary(path: Path) -> str:
    """Its name begins with a dot and has no suffix that nginx's or Synapse's directory scans pick
    up. It tells whose it is: several programs of ours write into the same directory."""
    return f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new"


@contextmanager
def scratch(directory: Path, name: str) -> Iterator[Path]:
    """A new directory in `directory`, which is made if need be; gone afterwards. What a killed
    process leaves of it is `abandoned`, as in /tmp nobody would clear it up before the next boot.

    name: what it is for.
    """
    ensure_directory(directory, 0o755)
    made = Path(tempfile.mkdtemp(".new", f".{name}.{os.getpid()}-", directory))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def abandoned(directory: Path) -> Iterator[Path]:
    """Temporary files that killed processes have left; not one that is just being written. Where
    another process has got the number since, the file is left to a later look."""
    for path in directory.glob(".*.new"):
        found = _TEMPORARY.match(path.name)
        process = int(found["process"]) if found else None
        if process in {None, os.getpid()} or not Path(f"/proc/{process}").exists():
            yield path


def replace(
    path: Path, content: bytes, mode: int, group: int | None = None, owner: int = -1
) -> None:
    """Put `content` at `path` by rename. owner: -1: who runs this."""
    temporary = _temporary(path)
    with opened(path.parent) as directory, _naming(path):
        try:
            _write_new(temporary, directory, content, mode, owner, group)
            os.rename(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            _discard(temporary, directory)
            raise
        _synchronise(directory)


def replace_link(path: Path, target: str | Path) -> None:
    """Point the symbolic link `path` to `target` with one rename(2)."""
    temporary = _temporary(path)
    with opened(path.parent) as directory, _naming(path):
        try:
            os.symlink(target, temporary, dir_fd=directory)
            os.rename(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            _discard(temporary, directory)
            raise
        _synchronise(directory)


def remove(path: Path) -> None:
    """Remove a file or a link, if it is there."""
    with suppress(FileNotFoundError), opened(path.parent) as directory, _naming(path):
        os.unlink(path.name, dir_fd=directory)
        _synchronise(directory)


def _discard(name: str, directory: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


def _synchronise(directory: int) -> None:
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ensure_directory(path: Path, mode: int, group: int | None = None) -> None:
    """Make a directory of ours, or give it back its mode and group."""
    with opened(path.parent, make=True) as parent:
        old_umask = os.umask(0o777 & ~mode)
        try:
            _make_directory(path.name, parent)
        finally:
            os.umask(old_umask)
    with opened(path) as directory:
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        state = os.fstat(descriptor)
        if group is not None and state.st_gid != group:
            os.fchown(descriptor, -1, group)
        if state.st_mode & 0o7777 != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def dated_directory(parent: Path) -> Path:
    """Make a directory of root's alone that is named after this moment."""
    stamp = time.strftime("%Y-%m-%d.%H%M%S")
    directory, number = parent / stamp, 1
    while True:
        try:
            directory.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
            directory = parent / f"{stamp}.{number}"
        else:
            return directory


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
