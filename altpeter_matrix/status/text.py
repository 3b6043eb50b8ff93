"""`status` for a person's eyes."""

from collections.abc import Iterator

from .findings import Status


def text(status: Status) -> str:
    lines = [verdict(status)]
    lines += [f"  {name:<26}{value}" for name, value in rows(status)]
    lines += [
        f"{'error' if finding.severity == 'error' else 'notice'}: {finding.problem}"
        for finding in status.findings
    ]
    return "\n".join(lines)


def verdict(status: Status) -> str:
    return "healthy" if status.healthy else "NOT HEALTHY"


def rows(status: Status) -> Iterator[tuple[str, str]]:
    """What is there, and how it is."""
    yield "generation", str(status.generation) if status.generation is not None else "none"
    yield "last apply", _last(status)
    yield from status.packages.items()
    yield from status.units.items()
    if status.certificate:
        kind = "placeholder" if status.certificate["placeholder"] else "certbot's"
        yield "certificate", f"{kind}, {status.certificate['days_left']} days left"


def _last(status: Status) -> str:
    if not status.last_apply.time:
        return "never"
    return f"{status.last_apply.time}, {'succeeded' if status.last_apply.ok else 'FAILED'}"
