"""What runs by itself: renewals, updates, rotation of logs, and what this package looks after."""

from collections.abc import Iterator, Mapping

from ...apply.services import GUARDS
from .. import looks, systemd
from ..check import Check
from ..found import Found, found
from ..systemd import UnitState
from ..view import View

RENEWAL = ("certbot.timer",)
UPDATES = ("apt-daily.timer", "apt-daily-upgrade.timer")
LOGS = ("logrotate.timer",)


def units(view: View) -> Mapping[str, UnitState]:
    return systemd.states((*RENEWAL, *UPDATES, *LOGS, *GUARDS))


def _stopped(view: View, names: tuple[str, ...]) -> Iterator[UnitState]:
    known = view.shared(units)
    for name in names:
        unit = known.get(name)
        if unit is not None and unit.exists and (not unit.runs or unit.masked):
            yield unit


def renewal(view: View) -> Iterator[Found]:
    shown = view.shared(looks.certificate)
    if not shown or shown["placeholder"]:
        return
    for unit in _stopped(view, RENEWAL):
        yield found(
            "renewal-timer-stopped", unit=unit.name, how=unit.how, command=systemd.start(unit)
        )


def updates(view: View) -> Iterator[Found]:
    wanted = view.shared(looks.written_settings).updates.unattended
    if not wanted or not view.paths.on_host("/usr/bin/unattended-upgrade").exists():
        return
    for unit in _stopped(view, UPDATES):
        yield found(
            "update-timer-stopped", unit=unit.name, how=unit.how, command=systemd.start(unit)
        )


def logs(view: View) -> Iterator[Found]:
    for unit in _stopped(view, LOGS):
        yield found("log-timer-stopped", unit=unit.name, how=unit.how, command=systemd.start(unit))


def own(view: View) -> Iterator[Found]:
    for unit in _stopped(view, GUARDS):
        yield found("own-unit-stopped", unit=unit.name, how=unit.how, command=systemd.start(unit))


_NO_SYSTEMD = ("systemd-missing",)
CHECKS = (
    Check(
        "renewal of the certificate runs",
        renewal,
        ("renewal-timer-stopped",),
        unless=(*_NO_SYSTEMD, "settings-refused"),
    ),
    Check(
        "updates run",
        updates,
        ("update-timer-stopped",),
        unless=(*_NO_SYSTEMD, "settings-refused"),
    ),
    Check("rotation of logs runs", logs, ("log-timer-stopped",), unless=_NO_SYSTEMD),
    Check("our units run", own, ("own-unit-stopped",), unless=_NO_SYSTEMD),
)
