"""Versions that apt must not install: a pin for apt, a record with the reason for people.

The pin names one version with priority -1, so apt, unattended-upgrades and the deploy go on with
everything else, and with a newer version. It is made from the record and never the other way: a
run that is killed between the two leaves a version that is not pinned yet, never one that is
pinned without a reason.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ..base import disk, journal
from ..base.errors import Problem
from ..base.locks import HELD_BACK, locked
from ..base.paths import Paths
from ..base.state_file import StateFile, known_fields
from ..base.timestamps import now

# Who has the lock writes some files.
_PATIENCE = 60.0


@dataclass(frozen=True)
class HeldBack:
    """One version of one package that is not to be installed.

    since: UTC, as in 2026-01-31T12:00:00Z.
    retried: the check of candidates ends it once the cause is gone; else only a newer version, or
    a person (`release`).
    """

    package: str
    version: str
    reason: Problem
    since: str
    security: bool = False
    retried: bool = False

    def __str__(self) -> str:
        kind = "the SECURITY update" if self.security else "the update"
        said = f"{kind} of {self.package} to {self.version} is held back"
        place = "" if self.reason.where == self.where else f"{self.reason.where}: "
        return f"{said}: {place}{self.reason.what}"

    @property
    def where(self) -> str:
        """Of each version another one: it is a fault of its own."""
        return f"{self.package} {self.version}"

    @property
    def problem(self) -> Problem:
        """As `status` shows it."""
        return Problem(self.where, str(self), self.reason.remedy)


def held(paths: Paths) -> tuple[HeldBack, ...]:
    """Everything that is held back now. A record that cannot be read holds nothing back."""
    return _FILE.read(paths.held_back)


def hold_back(
    paths: Paths,
    package: str,
    version: str,
    reason: Problem,
    security: bool = False,
    *,
    retried: bool = False,
) -> HeldBack:
    """Keep exactly this version away from apt; why is a finding of `status`.

    retried: the check of candidates may release it. Raises OSError when the disk refuses.
    """
    with locked(paths, HELD_BACK, _PATIENCE):
        before = held(paths)
        same = next(
            (one for one in before if (one.package, one.version) == (package, version)), None
        )
        since = same.since if same else now()
        entry = HeldBack(package, version, reason, since, security, retried)
        _write(paths, (*(one for one in before if one is not same), entry))
    if same is None or same.reason != reason:
        journal.write(str(entry.problem), error=True)
    return entry


def release(paths: Paths, package: str, version: str | None = None) -> tuple[HeldBack, ...]:
    """Let apt have a package again, in one version or in all; what was held back until now."""
    with locked(paths, HELD_BACK, _PATIENCE):
        before = held(paths)
        gone = tuple(
            one for one in before if one.package == package and version in {None, one.version}
        )
        if gone:
            _write(paths, [one for one in before if one not in gone])
    for one in gone:
        journal.write(f"{one.package} {one.version} is not held back any more", error=False)
    return gone


def complete(paths: Paths) -> None:
    """Make the pin what the record says, after a run that was killed."""
    with locked(paths, HELD_BACK, _PATIENCE):
        _show(paths, held(paths))


def pin(entries: Iterable[HeldBack]) -> str:
    """apt_preferences(5) that forbid these versions; empty for none."""
    stanzas = [
        f"Package: {one.package}\nPin: version {one.version}\nPin-Priority: -1\n" for one in entries
    ]
    if not stanzas:
        return ""
    head = "# Written by altpeter-matrix: `altpeter-matrix status` says why.\n"
    return head + "\n".join(stanzas)


def _write(paths: Paths, entries: Iterable[HeldBack]) -> None:
    kept = sorted(entries, key=lambda one: (one.package, one.since, one.version))
    if not kept:
        # First what acts, then what explains it.
        _show(paths, ())
        paths.held_back.unlink(missing_ok=True)
        return
    disk.ensure_directory(paths.state, 0o755)
    _FILE.write(paths.held_back, {"held": [asdict(one) for one in kept]})
    _show(paths, kept)


def _show(paths: Paths, entries: Iterable[HeldBack]) -> None:
    wanted = pin(entries)
    try:
        present = paths.held_back_pin.read_text(encoding="utf-8")
    except FileNotFoundError:
        present = ""
    if present != wanted:
        if wanted:
            paths.held_back_pin.parent.mkdir(parents=True, exist_ok=True)
            disk.replace(paths.held_back_pin, wanted.encode(), 0o644)
        else:
            paths.held_back_pin.unlink(missing_ok=True)


def _parse(raw: dict[str, Any]) -> tuple[HeldBack, ...]:
    return tuple(
        HeldBack(**{**known_fields(HeldBack, one), "reason": Problem(**one["reason"])})
        for one in raw["held"]
    )


_FILE: StateFile[tuple[HeldBack, ...]] = StateFile(_parse, missing=())
