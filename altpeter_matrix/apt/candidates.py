"""Which Synapse apt would install, and its package unpacked to one side.

Nothing of the candidate's maintainer scripts is ever run.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..base import disk, sandbox
from ..base.commands import last_lines, run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..host.facts import Synapse
from . import download

_VERSION_LINE = re.compile(r"^ (?:\*\*\*|   ) (\S+) -?\d+(?: \(phased \d+%\))?$", re.MULTILINE)
_CANDIDATE_LINE = re.compile(r"^  Candidate: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Offer:
    """What apt knows of one package."""

    candidate: str | None  # what apt would install; None: nothing
    versions: tuple[str, ...]  # all that it can get or has, the newest first

    @property
    def newest(self) -> str | None:
        """Whether or not a pin forbids it."""
        return self.versions[0] if self.versions else None


def offer(package: str) -> Offer:
    """Read from `apt-cache policy`, as apt's pins are now."""
    shown = run("apt-cache", "policy", package, check=False)
    if not shown.ok:
        # What is wrong with a preferences file it says before it shows the table all the same.
        raise HostError(
            Problem(
                "apt", f"cannot say which {package} it would install: {last_lines(shown.stderr)}",
                f"repair that, until `apt-cache policy {package}` says nothing of it any more",
            )
        )  # fmt: skip
    found = _CANDIDATE_LINE.search(shown.stdout)
    candidate = found.group(1) if found and found.group(1) != "(none)" else None
    return Offer(candidate, tuple(_VERSION_LINE.findall(shown.stdout)))


def is_newer(version: str, than: str) -> bool:
    """As dpkg orders versions."""
    return run("dpkg", "--compare-versions", version, "gt", than, check=False).returncode == 0


def field(deb: Path, name: str) -> str:
    """A field of a package's control file; empty when it has none."""
    return run("dpkg-deb", "--field", deb, name).stdout.strip()


@dataclass(frozen=True)
class Candidate:
    """An unpacked package. root: the directory that stands for /."""

    synapse: Synapse  # the installed one
    version: str
    root: Path

    @property
    def name(self) -> str:
        return f"Synapse {self.version}"

    @property
    def python(self) -> Path:
        return self.root / str(self.synapse.python).lstrip("/")

    @property
    def changelog(self) -> Path:
        return self.root / f"usr/share/doc/{self.synapse.package}/changelog.Debian.gz"


@contextmanager
def downloaded(paths: Paths, package: str, version: str) -> Iterator[Path]:
    """The package, fetched and checked by apt as for an installation."""
    directory = paths.candidate / "archive"
    _clear(directory)
    disk.ensure_directory(directory, 0o755)
    try:
        yield download.fetch(paths, package, version, directory)
    finally:
        _clear(directory)


@contextmanager
def unpacked(paths: Paths, deb: Path) -> Iterator[Path]:
    """A directory with the files of the package, readable by whoever gets there. The one above it
    lets nobody in: there may be programs with set-user-ID among them."""
    closed = paths.candidate / "unpacked"
    _clear(closed)
    disk.ensure_directory(paths.candidate, 0o755)
    disk.ensure_directory(closed, 0o700)
    directory = closed / "root"
    try:
        run("dpkg-deb", "--extract", deb, directory, timeout=300)
        directory.chmod(0o755)
        yield directory
    finally:
        _clear(closed)


def tidy(paths: Paths) -> None:
    """Remove what a killed check left: hundreds of megabytes."""
    _clear(paths.candidate)
    sandbox.tidy(paths)


def _clear(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)
