"""Follows upstream when it renews the key of Synapse's repository, and only then.

Upstream gives the same key a later end now and then (matrix-org/synapse#10389). That, a new subkey
or a revocation counts when the trusted key itself has signed for it; gpg decides. Another key is
never trusted by a program: a person is told, and what to compare.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base import disk, journal
from ..base.commands import last_lines, run
from ..base.errors import HostError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.resources import document
from ..base.state_file import StateFile
from ..settings.model import SynapseRepository
from . import gpg, repositories

_HELPER = "/usr/lib/apt/apt-helper"
_EACH = 20 * 3600.0
# Upstream's has 3 kB.
_AT_MOST = 1024**2


@dataclass(frozen=True)
class Renewal:
    """What was found. renewed: the keyring is another one now."""

    renewed: bool
    problems: tuple[Problem, ...]


def last_problems(paths: Paths) -> tuple[Problem, ...]:
    """What was found last; nothing when that cannot be read."""
    return _FILE.read(paths.key_renewal)


def _parse(raw: dict[str, Any]) -> tuple[Problem, ...]:
    return tuple(Problem(**one) for one in raw["problems"])


_FILE: StateFile[tuple[Problem, ...]] = StateFile(_parse, missing=(), mode=0o644)


def renew_daily(paths: Paths, repository: SynapseRepository) -> None:
    """Once a day, whoever asks; `status` tells a problem."""
    try:
        age = time.time() - paths.key_renewal.stat().st_mtime
        if 0 <= age < _EACH:
            return
    except FileNotFoundError:
        pass
    before = last_problems(paths)
    for problem in renew(paths, repository).problems:
        if problem not in before:
            journal.write(str(problem), error=True)


def renew(paths: Paths, repository: SynapseRepository) -> Renewal:
    """Fetch what upstream publishes now, and take over what the trusted key has signed for."""
    keyring = _keyring(paths, repository)
    if keyring is None:
        return Renewal(False, ())
    try:
        with _fetched(repository.key_url) as published:
            found = _compare(paths, keyring, published, repository)
    except (HostError, OSError) as error:
        found = Renewal(False, tuple(problems_of(error)))
    disk.ensure_directory(paths.state, 0o755)
    _FILE.write(paths.key_renewal, {"problems": [vars(one) for one in found.problems]})
    if found.renewed:
        journal.write(f"{keyring} was renewed: the key has signed for what is new", error=False)
    return found


def _keyring(paths: Paths, repository: SynapseRepository) -> Path | None:
    """The file with the key, when it is ours to renew: a package renews its own."""
    for source in repositories.sources(paths):
        names = [name for name in source.signed_by if name.startswith("/")]
        if repository.uri in {uri.rstrip("/") for uri in source.uris} and len(names) == 1:
            file = paths.on_host(names[0])
            owned = run("dpkg-query", "--search", file, check=False).ok
            return file if file.is_file() and not owned else None
    return None


@contextmanager
def _fetched(url: str) -> Iterator[Path]:
    """Through apt: its proxy, its certificates, and its user without rights."""
    with tempfile.TemporaryDirectory(prefix="altpeter-matrix-key-") as place:
        directory = Path(place)
        drop = directory / "apt"
        drop.mkdir(mode=0o755)
        directory.chmod(0o755)
        shutil.chown(drop, user="_apt")
        done = run(
            "prlimit", f"--fsize={_AT_MOST}", _HELPER, "-o", "Acquire::http::Timeout=20",
            "-o", "Acquire::https::Timeout=20", "download-file", url, drop / "keyring",
            timeout=90, check=False,
        )  # fmt: skip
        if not done.ok:
            raise HostError(
                Problem(url, f"cannot be fetched: {last_lines(done.output, 2)}",
                        "nothing is to be done, it is tried again each day; for longer than a"
                        " week: check synapse_repository in the settings")
            )  # fmt: skip
        # Out of reach of apt's user, which could put something else in its place meanwhile.
        kept = directory / "keyring"
        kept.write_bytes(_read(drop / "keyring"))
        yield kept


def _read(file: Path) -> bytes:
    """What apt's user has left there, which may be another thing at any moment."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _no_file(file) from error
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_file(file)
        return opened.read(_AT_MOST)


def _no_file(file: Path) -> HostError:
    return HostError(Problem(str(file), "is no file", "it is tried again each day"))


def _compare(
    paths: Paths, keyring: Path, published: Path, repository: SynapseRepository
) -> Renewal:
    with gpg.keyring(keyring) as keys:
        before = keys.signing_keys()
        trusted = list(dict.fromkeys(key.primary for key in before))
        if repository.key_fingerprint not in trusted:
            # Somebody's decision, or their mistake: to be seen, not to be followed.
            return Renewal(False, ())
        keys.read(published)
        found = keys.signing_keys()
        after = [key for key in found if key.primary in trusted]
        others = sorted({key.primary for key in found if key.useful} - set(trusted))
        vouched = [one for one in others if keys.certified_by(one, trusted)]
        changed = set(after) != set(before)
        text = keys.export(trusted, armour=keyring.suffix == ".asc") if changed else b""
    if text:
        disk.replace(keyring, text, 0o644)
    if any(key.useful and not _ends_soon(key) for key in after):
        return Renewal(bool(text), ())
    return Renewal(bool(text), tuple(_told(keyring, other, other in vouched) for other in others))


def _ends_soon(key: gpg.SigningKey) -> bool:
    return key.expires is not None and key.expires - time.time() < 30 * 86400


def _told(keyring: Path, other: str, vouched: bool) -> Problem:
    said = "which the trusted key has signed" if vouched else "which the trusted key has NOT signed"
    return Problem(
        str(keyring),
        f"the trusted key ends, and Synapse's repository now publishes the key {other}, {said}",
        f"compare the fingerprint with what upstream announces, then trust it"
        f" ({document('updates.md')}, `The key of Synapse's repository`)",
    )
