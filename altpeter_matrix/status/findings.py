"""`altpeter-matrix status`: is this server well, and what should a person do if not?

Asked by a person, by monitoring and by the timer that tells what changed; nothing that changes the
server asks it. `apply`, the health gate and the deploy have questions of their own, about what they
have just done (`apply.public_side`, `upgrade.observation`): a finding here neither slows them down
nor undoes anything.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..apply.activation import Host
from ..apply.last_apply import Outcome
from ..base.errors import Problem
from ..notify.news import Finding, Severity
from . import looks
from .catalogue import Fault
from .check import Check
from .checks import CHECKS, catalogue
from .found import Found
from .run import Answer, run
from .view import View


@dataclass(frozen=True)
class Status:
    """All that `status` shows. answers: what became of each check."""

    generation: int | None
    last_apply: Outcome
    packages: Mapping[str, str]
    units: Mapping[str, str]
    certificate: Mapping[str, Any]
    pending: bool  # settings, programs or certificates changed since the last apply
    findings: tuple[Finding, ...]
    answers: tuple[Answer, ...] = ()
    seconds: float = 0.0

    def of(self, severity: Severity) -> list[Finding]:
        return [one for one in self.findings if one.severity == severity]

    @property
    def healthy(self) -> bool:
        """Nothing is wrong, and that could be asked."""
        return not self.of("error") and not self.of("unknown")

    @property
    def exit_code(self) -> int:
        """0: well, 1: ill, 2: it could not be looked at all."""
        return 1 if self.of("error") else 2 if self.of("unknown") else 0

    def as_json(self) -> dict[str, Any]:
        kept = ("generation", "packages", "units", "certificate", "pending")
        return {
            "healthy": self.healthy,
            **{name: getattr(self, name) for name in kept},
            "last_apply": asdict(self.last_apply),
            "findings": [_as_json(one) for one in self.findings],
            "checks": [
                {"name": one.check.name, "outcome": one.outcome, "seconds": round(one.seconds, 3)}
                | ({"because": one.because} if one.because else {})
                for one in self.answers
            ],
            "seconds": round(self.seconds, 3),
        }  # fmt: skip


def status(host: Host, *, daily: bool = False, checks: Sequence[Check] = CHECKS) -> Status:
    """The findings of one run, errors first. daily: with the slow checks."""
    began = time.monotonic()
    view = View(host, daily=daily)
    answers = run(view, checks, daily=daily)
    faults = catalogue()
    every = (one for answer in answers for one in answer.found)
    findings = [finding(faults[one.id], one) for one in every]
    last = view.shared(looks.last_apply)
    return Status(
        generation=view.shared(looks.generation),
        last_apply=last,
        packages={name: one.version for name, one in (view.known(looks.packages) or {}).items()},
        units={unit.name: unit.state for unit in (view.known(looks.units) or {}).values()},
        certificate=view.known(looks.certificate) or {},
        pending=view.known(looks.pending) or False,
        findings=tuple(_in_order(findings)),
        answers=tuple(answers),
        seconds=time.monotonic() - began,
    )


def finding(fault: Fault, one: Found) -> Finding:
    values = dict(one.values)
    problem = one.problem or Problem(
        fault.where.format_map(values),
        fault.says.format_map(values),
        fault.remedy.format_map(values),
    )
    return Finding(fault.id, fault.severity, problem, fault.page)


def _as_json(one: Finding) -> dict[str, Any]:
    return {
        "id": one.id,
        "severity": one.severity,
        "error": one.severity == "error",
        "problem": asdict(one.problem),
        "command": one.command,
        "page": one.page,
    }


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    severities: tuple[Severity, ...] = ("error", "unknown", "warning")
    return sorted(dict.fromkeys(findings), key=lambda one: severities.index(one.severity))
