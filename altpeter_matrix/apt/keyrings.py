"""Whether the keys that sign apt's repositories go on to be valid: else updates stop."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..base.errors import HostError, Objection, Problem
from ..base.paths import Paths
from ..base.resources import document
from . import gpg, repositories
from .repositories import Source

_SOON = 30 * 86400.0
_UNKNOWN = "when the keys of the repositories expire: gpg is missing, install it"
_REMEDY = (
    f"see {document('updates.md')}, `The key of Synapse's repository`: a renewed key is taken over"
    " by itself, a new one waits for you"
)


@dataclass(frozen=True)
class State:
    """What is wrong with the keys of a repository. stopped: its updates do not come any more."""

    stopped: bool
    problem: Problem


def objections(paths: Paths) -> tuple[list[Objection], list[str]]:
    """Keys that have expired or soon will, and what could not be checked."""
    found, unchecked = states(paths)
    return [Objection("warning", state.problem) for state in found], unchecked


def states(paths: Paths) -> tuple[list[State], list[str]]:
    """The keys of the repositories that expire, and what could not be checked."""
    found: list[State] = []
    unchecked: list[str] = []
    for files, sources in _repositories(paths, unchecked).items():
        try:
            with gpg.keyring(*files) as keys:
                signing = keys.signing_keys()
                if not signing:
                    unchecked.append(
                        f"when the key of a repository expires: {files[-1]} cannot be read"
                    )
                    continue
                known, unknown = _signers(paths, keys, sources)
        except HostError:
            return found, [*unchecked, _UNKNOWN]
        found += _expiry(files[-1], signing, known)
        found += _announced(files[-1], unknown)
    return found, list(dict.fromkeys(unchecked))


def _repositories(paths: Paths, unchecked: list[str]) -> dict[tuple[Path, ...], list[Source]]:
    """The repositories that are not Debian's, whose own package renews its keys, by their keys."""
    found: dict[tuple[Path, ...], list[Source]] = {}
    for source in repositories.sources(paths):
        files = []
        for name in source.signed_by:
            if not name.startswith("/"):
                unchecked.append(
                    f"when the key of a repository expires: {source.file} names no file for it"
                )
            elif "debian-archive" not in name:
                files.append(paths.on_host(name))
        if files:
            found.setdefault(tuple(files), []).append(source)
    return found


def _signers(
    paths: Paths, keys: gpg.Keyring, sources: Iterable[Source]
) -> tuple[set[str], set[str]]:
    """Who has signed what apt accepted last: keys that are trusted, and others."""
    known: set[str] = set()
    unknown: set[str] = set()
    for source in sources:
        for release in releases(paths, source):
            trusted, others = keys.signers(release)
            known.update(trusted)
            unknown.update(others)
    return known, unknown


def releases(paths: Paths, source: Source) -> Iterator[Path]:
    """apt's copies of what a repository has signed."""
    lists = paths.on_host("/var/lib/apt/lists")
    for uri in source.uris:
        split = urlsplit(uri)
        # As apt names them (URItoFileName): an underscore stands in for each slash.
        place = f"{split.netloc}{split.path}".replace("_", "%5f").rstrip("/").replace("/", "_")
        for suite in source.suites:
            file = lists / f"{place}_dists_{suite.replace('/', '_')}_InRelease"
            if file.is_file():
                yield file


def _expiry(file: Path, keys: Iterable[gpg.SigningKey], signers: set[str]) -> Iterator[State]:
    """Of the last key to expire, among those that sign now where that is known."""
    useful = [key for key in keys if key.useful]
    if not useful:
        yield State(
            True,
            Problem(str(file), "the key that signs updates was revoked: no more of them come",
                    _REMEDY),
        )  # fmt: skip
        return
    used = [key for key in useful if key.fingerprint in signers] or useful
    ends = [key.expires for key in used if key.expires is not None]
    if len(ends) < len(used):
        return
    left = max(ends) - time.time()
    if left > _SOON:
        return
    what = "has expired" if left < 0 else f"expires in {left / 86400:.0f} days"
    text = f"the key that signs updates {what}: then no more of them come"
    yield State(left < 0, Problem(str(file), text, _REMEDY))


def _announced(file: Path, unknown: set[str]) -> Iterator[State]:
    """A repository that changes its key signs with both for a time."""
    for key in sorted(unknown):
        what = f"updates are also signed by {key}, which is not trusted here: the key may change"
        yield State(False, Problem(str(file), what, _REMEDY))
