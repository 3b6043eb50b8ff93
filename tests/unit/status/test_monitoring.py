"""What monitoring is told."""

from dataclasses import replace

import pytest

from altpeter_matrix.apply.last_apply import Outcome
from altpeter_matrix.base.errors import Problem
from altpeter_matrix.notify.news import Finding, Severity
from altpeter_matrix.status.check import Check
from altpeter_matrix.status.findings import Status
from altpeter_matrix.status.monitoring import metrics, nagios
from altpeter_matrix.status.run import Answer

HOLD = Check("the hold", lambda _view: iter(()), ("hold-does-not-listen",))
BACKUP = Check("backup", lambda _view: iter(()), ("own-backup-old",))
WELL = Status(
    generation=7,
    last_apply=Outcome(),
    packages={},
    units={},
    certificate={"days_left": 60, "placeholder": False},
    pending=False,
    findings=(),
    answers=(Answer(HOLD, "well"), Answer(BACKUP, "skipped", because="x")),
    seconds=1.25,
)


def finding(fault: str, severity: Severity) -> Finding:
    return Finding(fault, severity, Problem("here|there", "is\nbad", "look"), "recovery.md")


ERROR, WARNING = finding("no-answer", "error"), finding("own-backup-old", "warning")
UNKNOWN = finding("could-not-be-asked", "unknown")


@pytest.mark.parametrize(
    ("findings", "code", "begins"),
    [
        ((), 0, "MATRIX OK - healthy | errors=0 warnings=0 unknowns=0 certificate_days=60"),
        ((WARNING,), 1, "MATRIX WARNING - here/there: is bad | errors=0 warnings=1"),
        ((ERROR, WARNING), 2, "MATRIX CRITICAL - here/there: is bad; here/there: is bad | "),
        ((UNKNOWN, WARNING), 3, "MATRIX UNKNOWN - "),
        ((ERROR, UNKNOWN), 2, "MATRIX CRITICAL - "),
    ],
)
def test_a_plugin_of_nagios(findings: tuple[Finding, ...], code: int, begins: str) -> None:
    line, answered = nagios(replace(WELL, findings=findings))
    assert line.startswith(begins) and line.count("|") == 1 and "\n" not in line
    assert answered == code


def test_metrics_have_each_fault_that_was_asked_about() -> None:
    told = metrics(replace(WELL, findings=(ERROR, ERROR))).splitlines()
    assert 'altpeter_matrix_fault{id="hold-does-not-listen",severity="error"} 0' in told
    assert 'altpeter_matrix_fault{id="no-answer",severity="error"} 2' in told
    assert not [line for line in told if "own-backup-old" in line], "it was not asked"
    assert "altpeter_matrix_healthy 0" in told
    assert "altpeter_matrix_certificate_days_left 60" in told
    for line in told:
        assert line.startswith(("# HELP ", "# TYPE ", "altpeter_matrix_")), line
