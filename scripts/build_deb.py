"""Build the Debian package: stdeb makes the source tree out of setup.cfg, debian/ is ours.

stdeb has no option for maintainer scripts, triggers or drop-ins, and its generated debian/
would replace a hand-written one. So it only makes the original tarball and the tree; the tree
then gets our debian/ and is built by dpkg-buildpackage like any other Debian package.

Usage: build_deb.py [--work DIR] [--dist DIR]
"""

import argparse
import configparser
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
# All that the package is made of; nothing else in the checkout can influence it.
SOURCES = (
    "CHANGELOG.md",
    "LICENSE",
    "MANIFEST.in",
    "altpeter_matrix",
    "docs",
    "files",
    "scripts",
    "setup.cfg",
    "setup.py",
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", ".*.sw?", "*~")


class BuildError(Exception):
    """The package cannot be built; the text says why and what to do."""


def versions() -> tuple[str, str, str]:
    """Package name, upstream version and Debian version; setup.cfg and changelog must agree."""
    metadata = configparser.ConfigParser()
    metadata.read(TOP / "setup.cfg")
    name, upstream = metadata["metadata"]["name"], metadata["metadata"]["version"]
    debian = changelog("Version")
    if debian.rpartition("-")[0] != upstream:
        raise BuildError(
            f"setup.cfg says version {upstream}, debian/changelog {debian}: "
            f"make them agree ({upstream}-1)"
        )
    return name, upstream, debian


def changelog(field: str) -> str:
    command = ["dpkg-parsechangelog", "-l", str(TOP / "debian/changelog"), "-S", field]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def copy(origin: Path, target: Path, *, time: int) -> None:
    """Copy a file or directory; all get the same time, whenever they were checked out."""
    if origin.is_dir():
        shutil.copytree(origin, target, ignore=LEFT_OUT)
    else:
        shutil.copy(origin, target)
    for path in (target, *target.rglob("*")):
        os.utime(path, (time, time))


def run(command: list[str], cwd: Path, environment: dict[str, str], log: Path) -> None:
    """Run one build step; its output goes to the log and, when it fails, to the terminal."""
    with log.open("ab") as output:
        done = subprocess.run(
            command, cwd=cwd, env=environment, stdout=output, stderr=output, check=False
        )
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
        raise BuildError(
            f"{tail}\n{' '.join(command)} failed with status {done.returncode} (all of it: {log})"
        )


def build(work: Path, dist: Path) -> Path:
    """Build in ``work``, put the .deb into ``dist`` and return its path."""
    name, upstream, debian = versions()
    # Debian's own paths only: pybuild must find Debian's python, not one from pyenv or a venv.
    environment = {
        "HOME": str(work),
        "LC_ALL": "C.UTF-8",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "SOURCE_DATE_EPOCH": changelog("Timestamp"),
    }
    # Modes of files in the package must not depend on the umask of whoever builds it.
    os.umask(0o022)
    shutil.rmtree(work, ignore_errors=True)
    checkout = work / "source"
    checkout.mkdir(parents=True)
    for source in SOURCES:
        copy(TOP / source, checkout / source, time=int(environment["SOURCE_DATE_EPOCH"]))

    log = work / "build.log"
    stdeb = [sys.executable, "setup.py", "--command-packages=stdeb.command", "sdist_dsc"]
    run([*stdeb, f"--dist-dir={work / 'deb'}"], checkout, environment, log)
    tree = work / "deb" / f"{name}-{upstream}"
    shutil.rmtree(tree / "debian")
    copy(TOP / "debian", tree / "debian", time=int(environment["SOURCE_DATE_EPOCH"]))
    run(["dpkg-buildpackage", "-us", "-uc"], tree, environment, log)

    package = f"{name}_{debian}_all.deb"
    dist.mkdir(parents=True, exist_ok=True)
    # Complete or absent: somebody may be installing dist/*.deb while we build.
    shutil.copyfile(work / "deb" / package, dist / f".{package}.new")
    return (dist / f".{package}.new").rename(dist / package)


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the Debian package.")
    parser.add_argument("--work", type=Path, default=TOP / "build/deb", help="scratch directory")
    parser.add_argument("--dist", type=Path, default=TOP / "dist", help="where the .deb goes")
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.parent.mkdir(parents=True, exist_ok=True)
    try:
        with work.with_name(f"{work.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second build waits for the first
            print(build(work, arguments.dist.resolve()))
    except (BuildError, subprocess.CalledProcessError, OSError) as error:
        print(f"build_deb: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
