"""`status` for a person's eyes."""

from collections.abc import Iterator

from ..notify.news import Finding
from .findings import Status

_KINDS = {"error": "error", "unknown": "unknown", "warning": "notice"}


def text(status: Status, *, every: bool = False) -> str:
    """What is wrong first. every: with each check, and what became of it."""
    lines = [verdict(status)]
    lines += [f"{kind(finding)}: {finding.problem}" for finding in status.findings]
    lines += [f"  {name:<26}{value}" for name, value in rows(status)]
    lines += [f"  {name:<40}{outcome}" for name, outcome in checks(status)] if every else []
    return "\n".join(lines)


def kind(finding: Finding) -> str:
    """How a finding is introduced."""
    return _KINDS[finding.severity]


def verdict(status: Status) -> str:
    return ("healthy", "NOT HEALTHY", "NOT KNOWN: something could not be asked")[status.exit_code]


def rows(status: Status) -> Iterator[tuple[str, str]]:
    """What is there, and how it is."""
    yield "generation", str(status.generation) if status.generation is not None else "none"
    yield "last apply", _last(status)
    yield from status.packages.items()
    yield from status.units.items()
    if status.certificate:
        kind = "placeholder" if status.certificate["placeholder"] else "certbot's"
        yield "certificate", f"{kind}, {status.certificate['days_left']} days left"


def checks(status: Status) -> Iterator[tuple[str, str]]:
    """What was asked, and what became of it."""
    for one in status.answers:
        because = f": {one.because}" if one.because else ""
        yield one.check.name, f"{one.outcome}{because}"


def _last(status: Status) -> str:
    if not status.last_apply.time:
        return "never"
    return f"{status.last_apply.time}, {'succeeded' if status.last_apply.ok else 'FAILED'}"
