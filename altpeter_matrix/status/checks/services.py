"""nginx and Synapse as systemd sees them, and the hold between them."""

from collections.abc import Iterator

from ...apply.services import HOLD, NGINX, UNITS, Action
from ...apply.up_to_date import how_to_start
from ...host.links import NGINX_MAIN, Links
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View


def programs(view: View) -> Iterator[Found]:
    units, services = view.shared(looks.units), view.host.services
    plan = services.plan(units)
    for program, unit in units.items():
        if how := unit.stopped_on_purpose:
            command = how_to_start(unit.name, how)
            yield found(f"{program}-stopped", unit=unit.name, how=how, command=command)
        elif not unit.running:
            yield found(f"{program}-down", unit=unit.name, state=unit.state)
        elif plan[program] is not Action.NOTHING and services.wanted(program):
            yield found(f"{program}-runs-older-configuration", unit=unit.name)


def room(view: View) -> Iterator[Found]:
    wanted = Links(view.paths).states().get(NGINX_MAIN)
    if (
        wanted
        and wanted.action == "present"
        and view.host.services.nginx_has_room(view.shared(looks.units)) is False
    ):
        yield found("nginx-has-little-room", unit=UNITS[NGINX])


def hold(view: View) -> Iterator[Found]:
    if not view.host.services.hold_listens():
        yield found("hold-does-not-listen", unit=HOLD)


_NO_SYSTEMD = ("systemd-missing",)
CHECKS = (
    Check(
        "nginx and Synapse run",
        programs,
        tuple(
            f"{program}-{fault}"
            for program in UNITS
            for fault in ("stopped", "down", "runs-older-configuration")
        ),
        unless=_NO_SYSTEMD,
        before_adoption=True,
        live=False,
    ),
    Check(
        "room in nginx",
        room,
        ("nginx-has-little-room",),
        unless=_NO_SYSTEMD,
        before_adoption=True,
        live=False,
    ),
    Check(
        "the hold",
        hold,
        ("hold-does-not-listen",),
        unless=_NO_SYSTEMD,
        before_adoption=True,
        live=False,
    ),
)
