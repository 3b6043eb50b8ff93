"""The packages to go back to, at hand before they are needed: a repository forgets old versions.

/var/lib/altpeter-matrix/packages, root's alone; each file is known by its SHA-256.
"""

import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..base import disk
from ..base.commands import run
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.paths import Paths
from ..base.state_file import StateFile
from . import download, repacked_package
from .release import Release

_RECORD = "packages.json"


class Nowhere(HostError):
    """There is no way to get a version."""


@dataclass(frozen=True)
class Kept:
    """A package file. source: downloaded, apt's cache, or repacked from what is installed."""

    package: str
    version: str
    file: str
    sha256: str
    source: str


def find(paths: Paths, release: Release) -> Path | None:
    """The file of a version, if it is still what was put there."""
    for one in _read(paths):
        if (one.package, one.version) == (release.package, release.version):
            path = paths.kept_packages / one.file
            if path.is_file() and disk.sha256(path) == one.sha256:
                return path
    return None


def keep(paths: Paths, release: Release, *, installed: bool) -> Path:
    """Have the file of a version at hand. Uses the network, so never in a maintainer script.

    installed: it is what dpkg has now, so it can be repacked from that in the worst case.
    Nowhere when there is no way to get it.
    """
    if (found := find(paths, release)) is not None:
        return found
    disk.ensure_directory(paths.kept_packages, 0o700)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=paths.kept_packages))
    try:
        source, made = _obtain(paths, release, scratch, installed)
        disk.synchronise_file(made)
        # An epoch's colon is written as in apt's cache.
        name = f"{release.package}_{release.version.replace(':', '%3a')}.deb"
        kept = Kept(release.package, release.version, name, disk.sha256(made), source)
        made.chmod(0o600)
        made.replace(paths.kept_packages / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    others = [one for one in _read(paths) if (one.package, one.version) != _key(release)]
    _write(paths, [*others, kept])
    return paths.kept_packages / name


def keep_only(paths: Paths, releases: Collection[Release]) -> None:
    """Remove all others, and what a killed run left."""
    if not paths.kept_packages.is_dir():
        return
    wanted = {_key(one) for one in releases}
    kept = [one for one in _read(paths) if (one.package, one.version) in wanted]
    _write(paths, kept)
    known = {_RECORD, *(one.file for one in kept)}
    for path in paths.kept_packages.iterdir():
        if path.name not in known:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _key(release: Release) -> tuple[str, str]:
    return release.package, release.version


def _obtain(paths: Paths, release: Release, scratch: Path, installed: bool) -> tuple[str, Path]:
    """Where a version was found, and the file; the last resort last."""
    for cached in _in_cache(paths, release):
        copy = scratch / "cached.deb"
        shutil.copyfile(cached, copy)
        return "apt's cache", copy
    said = ""
    if (loaded := _download(paths, release, scratch)) is not None:
        if isinstance(loaded, Path):
            return "downloaded", loaded
        said = loaded
    if installed:
        return "repacked", repacked_package.repack(paths, release, scratch)
    raise Nowhere(
        Problem(
            str(release), f"is not at hand, and no repository has it any more ({said})",
            f"put its .deb into {paths.root / 'var/cache/apt/archives'}",
        )
    )  # fmt: skip


def _in_cache(paths: Paths, release: Release) -> Iterator[Path]:
    for path in sorted((paths.root / "var/cache/apt/archives").glob(f"{release.package}_*.deb")):
        if is_whole(path, release):
            yield path


def _download(paths: Paths, release: Release, scratch: Path) -> Path | str:
    """The file, as the repository's signed lists name it; or why there is none."""
    try:
        path = download.fetch(paths, release.package, release.version, scratch)
    except HostError as error:
        return error.problems[0].what
    return path if is_whole(path, release) else "what was downloaded is damaged"


def is_whole(path: Path, release: Release) -> bool:
    """Whether dpkg can read the file, and it is that version."""
    try:
        shown = run("dpkg-deb", "--field", path, "Package", "Version", check=False)
        fields = dict(line.split(": ", 1) for line in shown.stdout.splitlines() if ": " in line)
        return fields == {"Package": release.package, "Version": release.version} and (
            run("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" >/dev/null', "sh", path, check=False).ok
        )
    except MatrixConfigError:
        return False


def _read(paths: Paths) -> tuple[Kept, ...]:
    return _FILE.read(paths.kept_packages / _RECORD)


def _write(paths: Paths, kept: Collection[Kept]) -> None:
    _FILE.write(paths.kept_packages / _RECORD, [asdict(one) for one in kept])


def _parse(raw: list[dict[str, Any]]) -> tuple[Kept, ...]:
    return tuple(Kept(**one) for one in raw)


_FILE: StateFile[tuple[Kept, ...]] = StateFile(_parse, missing=(), numbered=False)
