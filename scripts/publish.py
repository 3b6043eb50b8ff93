"""Publish the package in a signed apt repository that any static web server can serve: `make repo`.

Everything is added before the one file that names it, InRelease, is replaced by a rename: whoever
fetches meanwhile, or after a run that was killed, sees the old state or the new one, whole. Nothing
that was published is ever removed or changed, so hosts can go back to any version.

apt-ftparchive and gpg do the work. reprepro keeps one version per suite, so there would be no way
back; aptly keeps several, but also a database and a second copy of every package that have to be
kept with the repository. Here the directory is all there is.

Usage: python -m scripts.publish --repository DIR --key-home DIR [--key ID] [--uri URI] DEB...
"""

import argparse
import fcntl
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from altpeter_matrix.base.disk import replace
from altpeter_matrix.base.errors import HostError, MatrixConfigError, Problem
from scripts.programs import checked
from scripts.repository_key import Key, no_agent_left, signing_key
from tasks.base.packages import PACKAGE
from tasks.decide import openpgp
from tasks.decide.own_repository import COMPONENT, LABEL, ORIGIN, SUITE, sources
from tasks.inventory.package_repository import KEY_NAME

SOURCES_NAME = "altpeter-matrix.sources"
POOL = Path("pool", COMPONENT, PACKAGE)
SUITE_DIRECTORY = Path("dists", SUITE)
INDEX = Path(COMPONENT, "binary-all")
# The package is for all architectures, and so is the index: apt fetches no other one then.
RELEASE = {
    "Origin": ORIGIN,
    "Label": LABEL,
    "Suite": SUITE,
    "Codename": SUITE,
    "Architectures": "all",
    "Components": COMPONENT,
    # apt asks for an index by its hash, so one that was just replaced is still found.
    "Acquire-By-Hash": "yes",
}


def publish(repository: Path, packages: Sequence[Path], key: Key, address: str) -> tuple[str, ...]:
    """Add packages to the repository, making it on first use; the published files' names.

    address: where the repository is going to be served.
    HostError, and an unchanged repository, when a published version would change, or its key.
    """
    public = key.public()
    _same_key_as_before(repository, key)
    new = [package for package in packages if _is_new(repository, package)]
    (repository / POOL).mkdir(parents=True, exist_ok=True)
    with _alone(repository):
        for package in new:
            replace(repository / POOL / package.name, package.read_bytes(), 0o644)
        replace(repository / KEY_NAME, public.encode(), 0o644)
        replace(repository / SOURCES_NAME, sources(address, public).encode(), 0o644)
        _index(repository, key)
    return tuple(sorted(path.name for path in (repository / POOL).glob("*.deb")))


def _index(repository: Path, key: Key) -> None:
    """Describe the pool: the index by its hash, then by its name, then InRelease."""
    suite = repository / SUITE_DIRECTORY
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        (made / INDEX).mkdir(parents=True)
        packages = _ftparchive("packages", "pool", cwd=repository)
        (made / INDEX / "Packages").write_text(packages)
        options = [f"APT::FTPArchive::Release::{name}={value}" for name, value in RELEASE.items()]
        options += [f"APT::FTPArchive::{old}=false" for old in ("MD5", "SHA1", "SHA512")]
        options.append("APT::FTPArchive::DoByHash=true")
        release = _ftparchive("release", ".", cwd=made, options=options)
        signed = key.sign(release)
        for path in sorted(made.rglob("by-hash/*/*")):
            _place(path, suite / path.relative_to(made))
        _place(made / INDEX / "Packages", suite / INDEX / "Packages")
    _replace_with_newer(suite / "InRelease", signed)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    replace(target, source.read_bytes(), 0o644)


def _replace_with_newer(path: Path, text: str) -> None:
    """apt asks a web server by whole seconds whether the file has changed."""
    before = path.stat().st_mtime if path.exists() else 0
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    replace(new, text.encode(), 0o644)
    time = max(new.stat().st_mtime, before + 1)
    os.utime(new, (time, time))
    new.replace(path)


def _is_new(repository: Path, package: Path) -> bool:
    published = repository / POOL / package.name
    if not published.exists():
        return True
    if published.read_bytes() == package.read_bytes():
        return False
    raise HostError(
        Problem(
            str(package),
            f"is not the {package.name} that is published; apt would take either for damaged",
            "raise the version in debian/changelog and setup.cfg",
        )
    )


def _same_key_as_before(repository: Path, key: Key) -> None:
    published = repository / KEY_NAME
    if not published.exists():
        return
    try:
        openpgp.key_with_fingerprint(published.read_bytes(), key.fingerprint)
    except openpgp.NoSuchKey as error:
        raise HostError(
            Problem(
                str(published),
                f"is not the key {key.fingerprint} that would sign now ({error}), and hosts trust"
                " only the published one",
                "use the key of before (REPO_KEY_HOME, REPO_KEY)",
            )
        ) from error


def address_of(repository: Path, uri: str | None) -> str:
    """Where the repository is served: the address given, or the one of the last time."""
    present = repository / SOURCES_NAME
    if uri is None and present.exists():
        match = re.search(r"^URIs: (\S+)$", present.read_text(), re.MULTILINE)
        uri = match[1] if match else None
    if uri is None:
        raise HostError(
            Problem(
                "REPO_URI",
                "is not known yet",
                "name the address at which you are going to serve the repository:"
                " `make repo REPO_URI=https://…`",
            )
        )
    if not re.fullmatch(r"(https?|file)://\S+", uri):
        raise HostError(
            Problem(f"REPO_URI={uri}", "is no address", "write it as https://packages.example.org")
        )
    return uri.rstrip("/")


@contextmanager
def _alone(repository: Path) -> Iterator[None]:
    """Let one run at a time publish; the lock is the directory itself, so nothing is left there."""
    descriptor = os.open(repository, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _ftparchive(*arguments: str, cwd: Path, options: Sequence[str] = ()) -> str:
    words = [word for option in options for word in ("-o", option)]
    return checked(["apt-ftparchive", *words, *arguments], cwd=cwd)


def main() -> int:
    parser = argparse.ArgumentParser(prog="publish", description="Publish packages for apt.")
    parser.add_argument("--repository", type=Path, required=True, help="the directory to serve")
    parser.add_argument("--key-home", type=Path, required=True, help="GnuPG home of the key")
    parser.add_argument("--key", help="which key, when the home has several")
    parser.add_argument("--uri", help="where the repository is served (only the first time)")
    parser.add_argument("packages", type=Path, nargs="+", metavar="DEB")
    arguments = parser.parse_args()
    os.umask(0o022)  # everybody may read what is published
    try:
        address = address_of(arguments.repository, arguments.uri or None)
        with no_agent_left(arguments.key_home):
            key = signing_key(
                arguments.key_home.expanduser(), arguments.key or None, arguments.repository
            )
            if key.made_now:
                print(
                    f"Made the signing key in {key.home}. Whoever has it can install software on"
                    "\nevery host that uses the repository, and without it none can be updated:"
                    "\nkeep a copy in a safe place.",
                    file=sys.stderr,
                )
            published = publish(arguments.repository, arguments.packages, key, address)
    except (MatrixConfigError, OSError) as error:
        for problem in getattr(error, "problems", (error,)):
            print(f"publish: {problem}", file=sys.stderr)
        return 1
    print(f"{arguments.repository} is signed by {key.fingerprint} and has")
    for name in published:
        print(f"  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
