"""What the check of a candidate found, and the record of the last checks."""

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..base.errors import Objection, Problem
from ..base.paths import Paths
from ..base.state_file import StateFile

_KEPT = 10
# Causes that no fingerprint shows (a full disk, a stopped database) go away meanwhile.
_VALID = 20 * 3600.0


@dataclass(frozen=True)
class PreflightResult:
    """findings: an error holds the candidate back, a warning is told.

    way_back: whether the installed version can run on the database that the candidate leaves;
    None: unknown. unchecked: what could not be looked at, each with the reason.
    """

    package: str
    version: str
    installed: str
    security: bool
    way_back: bool | None
    findings: tuple[Objection, ...]
    unchecked: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(one.problem for one in self.findings if one.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        return tuple(one.problem for one in self.findings if one.severity == "warning")

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def reason(self) -> Problem:
        """All errors as one problem; the first one's place and remedy."""
        first = self.errors[0]
        others = [f"{one.where}: {one.what}" for one in self.errors[1:]]
        return replace(first, what="; ".join([first.what, *others]))

    def as_json(self) -> dict[str, Any]:
        return {
            "package": self.package,
            "version": self.version,
            "installed": self.installed,
            "ok": self.ok,
            "security": self.security,
            "way_back": self.way_back,
            "errors": [asdict(one) for one in self.errors],
            "warnings": [asdict(one) for one in self.warnings],
            "unchecked": list(self.unchecked),
        }


@dataclass(frozen=True)
class Check:
    """A check that was made. time: seconds since 1970."""

    package: str
    version: str
    inputs: str  # what the host looked like
    ok: bool
    way_back: bool | None
    time: float

    def still_holds(self, inputs: str) -> bool:
        # A clock that was set back must not keep it for ever.
        return self.inputs == inputs and 0 <= time.time() - self.time < _VALID


def checks(paths: Paths) -> tuple[Check, ...]:
    """The last checks, the newest first."""
    return _FILE.read(paths.preflight_results)


def note(paths: Paths, result: PreflightResult, inputs: str) -> None:
    """Remember a check, in the place of an earlier one of the same version."""
    check = Check(result.package, result.version, inputs, result.ok, result.way_back, time.time())
    others = [one for one in checks(paths) if not _same(one, check)]
    _write(paths, [check, *others][:_KEPT])


def last_check(paths: Paths, package: str, version: str) -> Check | None:
    wanted = (package, version)
    return next((one for one in checks(paths) if (one.package, one.version) == wanted), None)


def _same(one: Check, other: Check) -> bool:
    return (one.package, one.version) == (other.package, other.version)


def _write(paths: Paths, kept: Iterable[Check]) -> None:
    _FILE.write(paths.preflight_results, {"checks": [asdict(one) for one in kept]})


def _parse(raw: dict[str, Any]) -> tuple[Check, ...]:
    return tuple(Check(**one) for one in raw["checks"])


# What was checked by other rules does not hold: it is checked anew.
_FILE: StateFile[tuple[Check, ...]] = StateFile(_parse, missing=(), exact=True, mode=0o644)
