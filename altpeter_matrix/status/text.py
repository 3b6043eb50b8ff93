"""`status` for a person's eyes."""

from .findings import Status


def text(status: Status) -> str:
    lines = [
        f"{'healthy' if status.healthy else 'NOT HEALTHY'}",
        _row("generation", status.generation if status.generation is not None else "none"),
        _row("last apply", _last(status)),
        *(_row(name, version) for name, version in status.packages.items()),
        *(_row(name, state) for name, state in status.units.items()),
    ]
    if status.certificate:
        kind = "placeholder" if status.certificate["placeholder"] else "certbot's"
        lines.append(_row("certificate", f"{kind}, {status.certificate['days_left']} days left"))
    lines += [
        f"{'error' if finding.severity == 'error' else 'notice'}: {finding.problem}"
        for finding in status.findings
    ]
    return "\n".join(lines)


def _row(name: str, value: object) -> str:
    return f"  {name:<26}{value}"


def _last(status: Status) -> str:
    if not status.last_apply.time:
        return "never"
    return f"{status.last_apply.time}, {'succeeded' if status.last_apply.ok else 'FAILED'}"
