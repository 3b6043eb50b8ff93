"""The clock: with a wrong one certificates do not hold, and others refuse what this signs."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...base.commands import run
from .. import looks, systemd
from ..check import Check
from ..found import Found, found
from ..systemd import UnitState
from ..view import View

# Each package of Debian that keeps a clock, by its unit.
UNITS = (
    "systemd-timesyncd.service", "chrony.service", "ntpsec.service", "openntpd.service",
    "ntp.service",
)  # fmt: skip
_ENABLED = {"enabled", "enabled-runtime", "static"}
# A container has the clock of the machine that it is on (systemd.exec(5), "container").
_CONTAINER = "/run/systemd/container"
# After a boot it may take so long until a server of the time has answered.
_PATIENCE = 1800.0
_HOUR = 3600.0


def units(_view: View) -> Mapping[str, UnitState]:
    return systemd.states(UNITS)


def kept(view: View) -> Iterator[Found]:
    """Whether something keeps the clock right, now and after the next boot."""
    inside = view.paths.on_host(_CONTAINER).exists()
    known = [one for one in view.shared(units).values() if one.exists]
    # In a container each of them is skipped at its start; switched off it is by a person only.
    keeping = [one for one in known if one.file in _ENABLED and (inside or one.runs)]
    if keeping or (inside and not known):
        return
    if not known:
        yield found("clock-kept-by-nobody")
        return
    unit = known[0]
    how = "masked" if unit.masked else f"{unit.active} and {unit.file}"
    yield found("clock-service-stopped", unit=unit.name, how=how, command=systemd.start(unit))


def synchronised(view: View) -> Iterator[Found]:
    """What the kernel was told by whoever keeps it."""
    if view.paths.on_host(_CONTAINER).exists():
        return
    if time.clock_gettime(time.CLOCK_BOOTTIME) < _PATIENCE:
        return
    shown = run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if shown.stdout.strip() == "no":
        yield found("clock-not-synchronised")


def behind(view: View) -> Iterator[Found]:
    """Whether something was written in what is the future to the clock: it was ahead then, or is
    behind now."""
    for file in _written(view):
        try:
            written = file.stat().st_mtime
        except FileNotFoundError:
            continue
        if written > time.time() + _HOUR:
            yield found("clock-behind", file=file)
            return


def _written(view: View) -> Iterator[Path]:
    """What is written now and then, as the host lives."""
    yield view.paths.outcome
    yield view.paths.on_host("/var/lib/dpkg/status")
    yield view.paths.on_host("/var/log/lastlog")
    if view.shared(looks.generation) is not None:
        yield view.paths.current


_NO_SYSTEMD = ("systemd-missing",)
CHECKS = (
    Check(
        "who keeps the clock",
        kept,
        ("clock-kept-by-nobody", "clock-service-stopped"),
        unless=_NO_SYSTEMD,
    ),
    Check(
        "the clock is synchronised",
        synchronised,
        ("clock-not-synchronised",),
        unless=(*_NO_SYSTEMD, "clock-kept-by-nobody", "clock-service-stopped"),
    ),
    Check("the clock and what was written", behind, ("clock-behind",), live=False),
)
