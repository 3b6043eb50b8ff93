"""The same findings for programs that watch many hosts."""

from collections.abc import Iterator

from ..notify.news import Severity
from .checks import catalogue
from .findings import Status

# https://nagios-plugins.org/doc/guidelines.html: OK, WARNING, CRITICAL, UNKNOWN.
_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "unknown")


def nagios(status: Status) -> tuple[str, int]:
    """The line and the exit code of a plugin of Nagios or Icinga."""
    errors, unknown = status.of("error"), status.of("unknown")
    code = 2 if errors else 3 if unknown else 1 if status.findings else 0
    said = "; ".join(f"{one.problem.where}: {one.problem.what}" for one in status.findings)
    # A bar would begin the performance data.
    line = f"MATRIX {_STATES[code]} - {said or 'healthy'}".replace("|", "/")
    return f"{' '.join(line.split())} | {' '.join(_performance(status))}", code


def _performance(status: Status) -> Iterator[str]:
    yield from (f"{one}s={len(status.of(one))}" for one in _SEVERITIES)
    if status.certificate:
        yield f"certificate_days={status.certificate['days_left']}"
    yield f"seconds={status.seconds:.2f}s"


def metrics(status: Status) -> str:
    """For node_exporter's textfile collector. A fault that was not asked about has no line."""
    return "\n".join((*_faults(status), *_numbers(status), ""))


def _faults(status: Status) -> Iterator[str]:
    yield "# HELP altpeter_matrix_fault How often the fault is there."
    yield "# TYPE altpeter_matrix_fault gauge"
    counts = dict.fromkeys(_asked(status), 0)
    for one in status.findings:
        counts[one.id] = counts.get(one.id, 0) + 1
    for fault, count in counts.items():
        labels = f'id="{fault}",severity="{catalogue()[fault].severity}"'
        yield f"altpeter_matrix_fault{{{labels}}} {count}"


def _asked(status: Status) -> Iterator[str]:
    for answer in status.answers:
        if answer.outcome in {"well", "found"}:
            yield from answer.check.faults


def _numbers(status: Status) -> Iterator[str]:
    yield from _gauge("healthy", "Whether nothing is wrong, and all could be asked.",
                      int(status.healthy))  # fmt: skip
    yield from _gauge("status_seconds", "How long it took to look.", round(status.seconds, 3))
    if status.generation is not None:
        yield from _gauge("generation", "The current configuration.", status.generation)
    if status.certificate:
        days = status.certificate["days_left"]
        yield from _gauge("certificate_days_left", "Until the certificate expires.", days)


def _gauge(name: str, text: str, value: float) -> Iterator[str]:
    yield f"# HELP altpeter_matrix_{name} {text}"
    yield f"# TYPE altpeter_matrix_{name} gauge"
    yield f"altpeter_matrix_{name} {value}"
