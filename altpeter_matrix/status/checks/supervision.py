"""How systemd starts the programs, and how often it had to."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...apply.services import UNITS
from ...base import untrusted_files
from ...postgresql import layout
from .. import looks, systemd
from ..check import Check
from ..found import Found, found
from ..systemd import UnitState
from ..view import View

POSTGRESQL = "postgresql"
_UMBRELLA = "postgresql.service"
PROGRAMS = (*UNITS, POSTGRESQL)
# A program that came up by itself so often, within so many seconds, is not well.
_OFTEN, _LATELY = 3, 900.0


def programs(view: View) -> Mapping[str, UnitState]:
    """The unit of each program; PostgreSQL's, where the database is here, is its cluster's."""
    units = dict(UNITS)
    if (cluster := view.shared(looks.cluster)) is not None:
        units[POSTGRESQL] = cluster.unit
    known = systemd.states([*units.values(), _UMBRELLA])
    found = {name: known[unit] for name, unit in units.items() if unit in known}
    return found | ({_UMBRELLA: known[_UMBRELLA]} if POSTGRESQL in found else {})


def present(view: View) -> Iterator[Found]:
    if not view.host.services.present:
        yield found("systemd-missing")


def enabled(view: View) -> Iterator[Found]:
    units = view.shared(programs)
    for program in UNITS:
        unit = units[program]
        if unit.runs and unit.file in {"disabled", "masked"}:
            yield found(f"{program}-not-enabled", unit=unit.name, command=systemd.start(unit))
    umbrella = units.get(_UMBRELLA)
    if umbrella is not None and umbrella.file in {"disabled", "masked"}:
        command = systemd.start(umbrella)
        yield found("postgresql-not-enabled", unit=umbrella.name, command=command)


def start_mode(view: View) -> Iterator[Found]:
    """Debian starts those clusters whose start.conf says `auto`."""
    cluster = view.shared(looks.cluster)
    if cluster is None:
        return
    file = layout.configuration(view.paths, cluster.version, cluster.name) / "start.conf"
    text = untrusted_files.content(view.paths, file, "postgres") or b""
    lines = text.decode(errors="replace").splitlines()
    words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if words and words[0] != "auto":
        yield found("postgresql-not-started-at-boot", file=file)


def restarts(view: View) -> Iterator[Found]:
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    for program, unit in view.shared(programs).items():
        if program != _UMBRELLA and keeps_restarting(unit, now):
            yield found(f"{program}-keeps-restarting", unit=unit.name)


def keeps_restarting(unit: UnitState, now: float) -> bool:
    """now: seconds of the monotonic clock."""
    lately = unit.sub == "auto-restart" or (unit.since and now - unit.since < _LATELY)
    return unit.restarts >= _OFTEN and bool(lately)


def memory(view: View) -> Iterator[Found]:
    for program, unit in view.shared(programs).items():
        if program != _UMBRELLA and (unit.result == "oom-kill" or killed_for_memory(unit.group)):
            yield found(f"{program}-killed-for-memory", unit=unit.name)


def killed_for_memory(group: str, mount: Path = Path("/sys/fs/cgroup")) -> bool:
    """Whether the kernel killed something in a control group since that was made, at the unit's
    start."""
    if not group.strip("/"):
        return False
    try:
        text = (mount / group.lstrip("/") / "memory.events").read_text(encoding="ascii")
    except OSError:
        return False  # it has ended, or this kernel does not count
    events = dict(line.split() for line in text.splitlines() if len(line.split()) == 2)
    return events.get("oom_kill", "0") != "0"


def _each(fault: str) -> tuple[str, ...]:
    return tuple(f"{program}-{fault}" for program in PROGRAMS)


_NO_SYSTEMD = ("systemd-missing",)
CHECKS = (
    Check("systemd", present, _NO_SYSTEMD, before_adoption=True, live=False),
    Check("programs start at boot", enabled, _each("not-enabled"), unless=_NO_SYSTEMD),
    Check("the cluster starts at boot", start_mode, ("postgresql-not-started-at-boot",)),
    Check("programs stay up", restarts, _each("keeps-restarting"), unless=_NO_SYSTEMD),
    Check("programs have memory", memory, _each("killed-for-memory"), unless=_NO_SYSTEMD),
)
