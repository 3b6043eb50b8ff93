"""Build the package in places of our own, so that nothing a developer left behind is tested."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SOURCES = (
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "altpeter_matrix",
    "debian",
    "docs",
    "files",
    "scripts",
    "setup.cfg",
    "setup.py",
)


@dataclass(frozen=True)
class Build:
    """What `scripts/build_deb.py` did."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def package(self) -> Path:
        assert self.returncode == 0, self.stderr
        return Path(self.stdout.strip())


def made_once(place: Path, make: Callable[[Path], object]) -> Path:
    """A directory that the first process to ask makes, while the others wait for it."""
    with place.with_suffix(".lock").open("w") as held:
        flock(held, LOCK_EX)
        if not place.exists():
            unfinished = place.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(place)
    return place


def copy_checkout(target: Path, *, origin: Path = TOP) -> Path:
    """A checkout of its own, whose files have other times than the original's."""
    target.mkdir(parents=True)
    for name in SOURCES:
        source = origin / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / name, ignore=ignore, copy_function=shutil.copy)
        else:
            shutil.copy(source, target / name)
    return target


def build(
    checkout: Path, scratch: Path, *, umask: int = 0o022, env: Mapping[str, str] | None = None
) -> Build:
    """Run a checkout's build script."""
    done = subprocess.run(
        [
            sys.executable,
            checkout / "scripts/build_deb.py",
            "--work",
            scratch / "work",
            "--dist",
            scratch / "dist",
        ],
        check=False,
        capture_output=True,
        text=True,
        umask=umask,
        env={**os.environ, **(env or {})},
        timeout=300,
    )
    return Build(done.returncode, done.stdout, done.stderr)
