"""Units: what systemd prints of them, and what undoes what somebody did to one."""

from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.apply.services import GUARDS
from altpeter_matrix.status import looks, systemd
from altpeter_matrix.status.checks import supervision, timers
from altpeter_matrix.status.checks.supervision import keeps_restarting, killed_for_memory
from altpeter_matrix.status.systemd import UnitState, parse

from .given import ids

SHOWN = """\
Id=nginx.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success
UnitFileState=enabled
NRestarts=2
ActiveEnterTimestampMonotonic=5000000
ControlGroup=/system.slice/nginx.service
MainPID=7

Id=certbot.timer
LoadState=masked
ActiveState=inactive
SubState=dead
UnitFileState=masked
ActiveEnterTimestampMonotonic=0
"""
NGINX, TIMER = parse(SHOWN).values()
STOPPED = replace(NGINX, active="inactive", sub="dead")


def test_what_systemctl_prints() -> None:
    assert (NGINX.runs, NGINX.masked, NGINX.restarts, NGINX.since) == (True, False, 2, 5.0)
    assert (NGINX.group, NGINX.process) == ("/system.slice/nginx.service", 7)
    assert (TIMER.runs, TIMER.masked, TIMER.exists, TIMER.how) == (False, True, True, "masked")


@pytest.mark.parametrize(
    ("unit", "command"),
    [
        (TIMER, "systemctl unmask certbot.timer && systemctl enable --now certbot.timer"),
        (replace(STOPPED, file="disabled"), "systemctl enable --now nginx.service"),
        (replace(STOPPED, file="static"), "systemctl start nginx.service"),
        (
            replace(STOPPED, name="altpeter-matrix-x.timer"),
            "systemctl start altpeter-matrix-x.timer",
        ),
    ],
)
def test_the_command_that_has_a_unit_run(unit: UnitState, command: str) -> None:
    assert systemd.start(unit) == command


@pytest.mark.parametrize(
    ("restarts", "sub", "since", "often"),
    [
        (0, "running", 900.0, False),
        (3, "running", 900.0, True),
        (3, "running", 50.0, False),
        (2, "auto-restart", 0.0, False),
        (9, "auto-restart", 0.0, True),
    ],
)
def test_restarts_count_while_they_are_new(
    restarts: int, sub: str, since: float, often: bool
) -> None:
    unit = replace(NGINX, restarts=restarts, sub=sub, since=since)
    assert keeps_restarting(unit, now=1000.0) is often


def test_who_was_killed_for_memory(tmp_path: Path) -> None:
    group = tmp_path / "system.slice/nginx.service"
    group.mkdir(parents=True)
    assert not killed_for_memory("/system.slice/nginx.service", tmp_path)
    (group / "memory.events").write_text("low 0\noom 3\noom_kill 0\n")
    assert not killed_for_memory("/system.slice/nginx.service", tmp_path)
    (group / "memory.events").write_text("low 0\noom 3\noom_kill 1\n")
    assert killed_for_memory("/system.slice/nginx.service", tmp_path)
    assert not killed_for_memory("", tmp_path)


def test_programs_that_would_not_start_at_boot() -> None:
    umbrella = replace(NGINX, name="postgresql.service")
    units = {"nginx": NGINX, "synapse": NGINX, "postgresql": NGINX, "postgresql.service": umbrella}
    assert ids(supervision.enabled, {supervision.programs: units}) == []
    units["synapse"] = replace(NGINX, file="disabled")
    units["postgresql.service"] = replace(umbrella, file="masked")
    assert ids(supervision.enabled, {supervision.programs: units}) == [
        "synapse-not-enabled", "postgresql-not-enabled",
    ]  # fmt: skip


def test_a_timer_that_does_not_run() -> None:
    certificate = {"placeholder": False}
    answers = {timers.units: {"certbot.timer": TIMER}, looks.certificate: certificate}
    assert ids(timers.renewal, answers) == ["renewal-timer-stopped"]
    assert ids(timers.renewal, {**answers, looks.certificate: {"placeholder": True}}) == []
    missing = {"certbot.timer": replace(TIMER, load="not-found", file="")}
    assert ids(timers.renewal, {**answers, timers.units: missing}) == []


def test_our_own_units_are_looked_after() -> None:
    running = {name: replace(NGINX, name=name) for name in GUARDS}
    assert ids(timers.own, {timers.units: running}) == []
    running[GUARDS[0]] = replace(STOPPED, name=GUARDS[0])
    assert ids(timers.own, {timers.units: running}) == ["own-unit-stopped"]
