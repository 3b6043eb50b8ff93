"""Versions that apt must not install: a pin for apt, a record with the reason for people.

The pin names one version with priority -1, so apt, unattended-upgrades and the deploy go on with
everything else, and with a newer version. It is made from the record and never the other way: a
run that is killed between the two leaves a version that is not pinned yet, never one that is
pinned without a reason.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ..base import disk, notify
from ..base.errors import Problem
from ..base.locks import HELD_BACK, TELLING, locked
from ..base.paths import Paths
from ..base.state_file import StateFile, known_fields
from ..base.timestamps import now
from . import login_message

_NUMBER = re.compile(r"\d+")
# A security update is told of each day, at the check that the timer starts.
_SHOUT_AGAIN = 20 * 3600.0
# Who has the lock writes some files, or sends a mail.
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
    told: float = 0  # seconds since 1970: the last mail, or when there was no way to send one

    def __str__(self) -> str:
        kind = "the SECURITY update" if self.security else "the update"
        return f"{kind} of {self.package} to {self.version} is held back: {self.reason.what}"

    @property
    def due(self) -> bool:
        """Whether the administrator is to be told, for the first time or again."""
        # A clock that was set back must not silence it.
        return not self.told or (self.security and abs(time.time() - self.told) > _SHOUT_AGAIN)

    @property
    def problem(self) -> Problem:
        """As `status` shows it."""
        return Problem(self.reason.where, str(self), self.reason.remedy)


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
    """Keep exactly this version away from apt, and tell the administrator why: once, or each day
    for a security update.

    retried: the check of candidates may release it. Raises OSError when the disk refuses.
    """
    with locked(paths, HELD_BACK, _PATIENCE):
        before = held(paths)
        same = next(
            (one for one in before if (one.package, one.version) == (package, version)), None
        )
        entry = HeldBack(
            package, version, reason, same.since if same else now(), security, retried,
            told=same.told if same is not None and _alike(same.reason, reason) else 0,
        )  # fmt: skip
        _write(paths, (*(one for one in before if one is not same), entry))
    if entry.due:
        _tell(paths, entry)
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
        notify.journal(f"{one.package} {one.version} is not held back any more", error=False)
    return gone


def complete(paths: Paths) -> None:
    """Make the pin and the login message what the record says, after a run that was killed."""
    with locked(paths, HELD_BACK, _PATIENCE):
        _show(paths, held(paths))
    for one in held(paths):
        if one.due:
            _tell(paths, one)


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
    entries = tuple(entries)
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
    login_message.show(paths, [one.problem for one in entries])


def _tell(paths: Paths, entry: HeldBack) -> None:
    """Unless another program has done it meanwhile, or it is not held back any more."""
    with locked(paths, TELLING, _PATIENCE):
        if any(_same(one, entry) and one.due for one in held(paths)):
            _tell_alone(paths, entry)


def _tell_alone(paths: Paths, entry: HeldBack) -> None:
    notify.journal(str(entry.problem), error=True)
    kind = "SECURITY update" if entry.security else "update"
    text = (
        f"{entry}.\n\nWhere:      {entry.reason.where}\nWhat to do: {entry.reason.remedy}\n\n"
        "The version that is installed goes on serving, and every other package is upgraded.\n"
    )
    if entry.retried:
        text += (
            "The update is tried again by itself: each day, and after each `altpeter-matrix apply`"
            " or\n`apt update`. `altpeter-matrix upgrade check` tries it now.\n"
        )
    if not notify.mail(f"{kind} of {entry.package} to {entry.version} is held back", text):
        return  # the next run tries again
    with locked(paths, HELD_BACK, _PATIENCE):
        _write(paths, [_told(one) if _same(one, entry) else one for one in held(paths)])


def _same(one: HeldBack, other: HeldBack) -> bool:
    return (one.package, one.version, one.reason) == (other.package, other.version, other.reason)


def _alike(one: Problem, other: Problem) -> bool:
    """The same but for numbers: what is left of a disk is another one each time."""
    return _NUMBER.sub("", str(one)) == _NUMBER.sub("", str(other))


def _told(entry: HeldBack) -> HeldBack:
    return HeldBack(**{**vars(entry), "told": time.time()})


def _parse(raw: dict[str, Any]) -> tuple[HeldBack, ...]:
    return tuple(
        HeldBack(**{**known_fields(HeldBack, one), "reason": Problem(**one["reason"])})
        for one in raw["held"]
    )


_FILE: StateFile[tuple[HeldBack, ...]] = StateFile(_parse, missing=())
