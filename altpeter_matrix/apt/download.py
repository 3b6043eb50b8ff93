"""A package from apt's repositories, in root's hands before anybody looks at it.

apt downloads as its own user, _apt, because what comes from the network is parsed meanwhile. A file
in a directory of that user's may be another one by the time it is unpacked: so it is copied away
first, and the copy has to have the SHA-256 that the signed lists of the repository name.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..base import disk
from ..base.commands import last_lines, run
from ..base.errors import HostError, Problem
from ..base.paths import Paths

_WITHIN = 600.0
_SHA256 = re.compile(r"^SHA256: ([0-9a-f]{64})$", re.MULTILINE)
# Synapse with its libraries has a tenth of it.
_MOST_BYTES = 2 * 1024**3
_CHUNK = 1024**2


def fetch(paths: Paths, package: str, version: str, into: Path) -> Path:
    """Download a version and check it; the file, in `into`, which is root's. HostError says why."""
    shown = run("apt-cache", "show", f"{package}={version}", check=False)
    wanted = set(_SHA256.findall(shown.stdout))
    if not wanted:  # what is only installed has no checksum there
        raise _failed(package, version, "no repository has it")
    with _landing(paths) as (directory, entered):
        done = run(
            "sh", "-c", 'cd "$1" && exec apt-get -q download "$2"', "sh", directory,
            f"{package}={version}", timeout=_WITHIN, check=False,
        )  # fmt: skip
        found = [name for name in os.listdir(entered) if name.endswith(".deb")]
        if not done.ok or len(found) != 1:
            raise _failed(package, version, last_lines(done.output, 2))
        target = into / f"{package}.deb"
        if _copied(found[0], entered, target) not in wanted:
            target.unlink()
            raise _failed(package, version, "it is not the file that the repository's lists name")
    return target


def _failed(package: str, version: str, why: str) -> HostError:
    return HostError(
        Problem(
            f"{package} {version}", f"cannot be downloaded: {why}",
            "look at `apt-get update`; it is tried again by itself",
        )
    )  # fmt: skip


@contextmanager
def _landing(paths: Paths) -> Iterator[tuple[Path, int]]:
    """A directory for apt's own user; and the same as an open one, whatever is done to its path."""
    disk.ensure_directory(paths.state, 0o755)
    # By this name Store.tidy knows what a killed run has left.
    prefix = f".download.{os.getpid()}-"
    directory = Path(tempfile.mkdtemp(prefix=prefix, suffix=".new", dir=paths.state))
    try:
        entered = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # Without that user apt does it as root, and says so.
            with suppress(LookupError):
                shutil.chown(directory, user="_apt")
            yield directory, entered
        finally:
            os.close(entered)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _copied(name: str, directory: int, target: Path) -> str | None:
    """Copy a file out of a directory; the SHA-256 of what was copied, None when it is no file."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    total, digest = 0, hashlib.sha256()
    new = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(new, "wb") as copy:
        try:
            source = os.open(name, flags, dir_fd=directory)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(source).st_mode):
            os.close(source)
            return None
        with os.fdopen(source, "rb") as stream:
            while chunk := stream.read(_CHUNK):
                total += len(chunk)
                if total > _MOST_BYTES:
                    return None
                digest.update(chunk)
                copy.write(chunk)
    return digest.hexdigest()
