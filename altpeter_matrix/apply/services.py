"""nginx's and Synapse's processes: what they loaded, and what brings them to what is current.

The decision compares the running process with the current generation, never with "changed in this
run": a run that was killed between the flip and the restart is finished by the next one. The
packaged drop-ins copy the current fingerprint to /run/altpeter-matrix/ at each start and reload.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..base import disk
from ..base.commands import last_lines, run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..bridge import after_start
from ..bridge import beneath as beneath_synapse
from ..nginx import main_file

SYNAPSE = "synapse"
NGINX = "nginx"
UNITS: Mapping[str, str] = {SYNAPSE: "matrix-synapse.service", NGINX: "nginx.service"}
# Where requests wait while Synapse restarts.
HOLD = "altpeter-matrix-hold.socket"
HOLD_SERVICE = "altpeter-matrix-hold.service"
# Follows changes of nginx.conf (nginx/main_file.py).
FOLLOWER = "altpeter-matrix-nginx-main.path"
# Has this server looked at each few minutes.
WATCH = "altpeter-matrix-watch.timer"
# What starts by itself: the check of a newer Synapse, the daily sample and giving back
# (usage/), and these.
GUARDS = (
    "altpeter-matrix-upgrade-check.timer",
    "altpeter-matrix-upgrade-check.path",
    "altpeter-matrix-usage.timer",
    "altpeter-matrix-reclaim.timer",
    WATCH,
    FOLLOWER,
    "altpeter-matrix-backup.timer",
    "altpeter-matrix-drill.timer",
)
# Watches a version of Synapse that is new here.
GATE = "altpeter-matrix-gate.service"

_PROPERTIES = (
    "Id,LoadState,ActiveState,SubState,Result,UnitFileState,ConditionResult,"
    "ConditionTimestampMonotonic,NeedDaemonReload,MainPID"
)
_PROGRESS_EVERY = 15.0


class Action(StrEnum):
    NOTHING = "nothing"
    START = "start"
    RESTART = "restart"
    RELOAD = "reload"
    LEAVE = "leave stopped"  # somebody stopped, disabled or masked it: not ours to start


@dataclass(frozen=True)
class Unit:
    """A service as systemd sees it."""

    name: str
    properties: Mapping[str, str]

    @property
    def running(self) -> bool:
        return self.properties.get("ActiveState") in {"active", "reloading"}

    @property
    def starting(self) -> bool:
        return self.properties.get("ActiveState") == "activating"

    @property
    def stale(self) -> bool:
        return self.properties.get("NeedDaemonReload") == "yes"

    @property
    def state(self) -> str:
        active, sub = self.properties.get("ActiveState", "?"), self.properties.get("SubState", "?")
        return f"{active} ({sub})"

    @property
    def stopped_on_purpose(self) -> str | None:
        """How somebody said that this service is not to run; None when nobody did."""
        if self.running or self.starting:
            return None
        if self.properties.get("LoadState") == "masked":
            return "masked"
        if self.properties.get("UnitFileState") == "disabled":
            return "disabled"
        never_tried = self.properties.get("ConditionTimestampMonotonic", "0") == "0"
        held_back = self.properties.get("ConditionResult") == "no"
        ended_well = self.properties.get("Result") == "success"
        inactive = self.properties.get("ActiveState") == "inactive"
        if inactive and ended_well and not never_tried and not held_back:
            return "stopped"
        return None


def decide(program: str, unit: Unit, loaded: str | None, wanted: str) -> Action:
    """The one place that says when a service starts, restarts or reloads."""
    if unit.stopped_on_purpose:
        return Action.LEAVE
    if unit.starting and loaded != wanted:
        return Action.RESTART
    if not unit.running:
        # While it starts with what is current (a killed run asked for that), this waits for it.
        return Action.START
    if loaded == wanted:
        return Action.NOTHING
    return Action.RELOAD if program == NGINX else Action.RESTART


class Services:
    """systemd; nothing at all where it does not run (a chroot, an image build)."""

    def __init__(self, paths: Paths, *, from_postinst: bool = False) -> None:
        self.paths = paths
        self.present = paths.systemd_running.is_dir()
        # Honours policy-rc.d, as Debian Policy 9.3.3.2 demands of maintainer scripts.
        self.control = "deb-systemd-invoke" if from_postinst else "systemctl"

    def units(self) -> dict[str, Unit]:
        """The state of both services, in one call."""
        shown = run("systemctl", "show", "--property", _PROPERTIES, *UNITS.values(), timeout=30)
        blocks = [
            dict(line.partition("=")[::2] for line in block.splitlines())
            for block in shown.stdout.strip().split("\n\n")
        ]
        by_name = {block.get("Id", ""): block for block in blocks}
        return {program: Unit(name, by_name.get(name, {})) for program, name in UNITS.items()}

    def hold_listens(self) -> bool:
        return self._is_active(HOLD)

    def _hold_lacks_a_socket(self) -> bool:
        """As that of an older version: a socket unit that listens takes up no further paths."""
        first, *others = map(self.paths.on_host, after_start.SOCKETS)
        return first.exists() and not all(other.exists() for other in others)

    def _is_active(self, unit: str) -> bool:
        return run("systemctl", "is-active", "--quiet", unit, check=False).returncode == 0

    def loaded(self, program: str) -> str | None:
        try:
            return self.paths.loaded(program).read_text(encoding="utf-8").strip()
        except OSError:
            return None

    def wanted(self, program: str) -> str | None:
        """The fingerprint of what is current for a program."""
        try:
            return (self.paths.current / program / "fingerprint").read_text("utf-8").strip()
        except OSError:
            return None

    def forget(self, program: str) -> None:
        """Note that a process may have loaded something else than a whole generation."""
        self.paths.loaded(program).unlink(missing_ok=True)

    def units_if_present(self) -> dict[str, Unit]:
        return self.units() if self.present else {}

    def plan(self, units: Mapping[str, Unit] | None = None) -> dict[str, Action]:
        """What each service needs to serve the current generation."""
        if not self.present:
            return dict.fromkeys(UNITS, Action.NOTHING)
        units = units or self.units()
        plan = {
            program: decide(
                program, units[program], self.loaded(program), self.wanted(program) or ""
            )
            for program in UNITS
        }
        first = self.loaded(NGINX) is None and plan[SYNAPSE] is Action.START
        if first and plan[NGINX] is Action.RELOAD and self.nginx_has_room(units) is False:
            # A reload cannot give it another main file; nobody is served yet.
            plan[NGINX] = Action.RESTART
        return plan

    def nginx_has_room(self, units: Mapping[str, Unit] | None = None) -> bool | None:
        """Whether nginx runs with our main file (nginx/main_file.py); None when it does not run."""
        pid = (units or self.units())[NGINX].properties.get("MainPID", "0")
        return None if pid == "0" else main_file.in_use(pid)

    def reload_units(self) -> None:
        if self.present:
            run("systemctl", "daemon-reload")

    def follow_generation(self, beneath: str | None = None) -> dict[str, Action]:
        """Bring both services to the current generation; what was done.

        beneath: a unit that Synapse comes after, to be restarted while Synapse is, if it is.
        """
        if not self.present:
            return dict.fromkeys(UNITS, Action.NOTHING)
        if any(unit.stale for unit in self.units().values()):
            self.reload_units()
        # First, for a restart of Synapse needs it. It comes along when nginx starts, but here nginx
        # may only reload; and deb-systemd-invoke starts no static unit.
        if not self.hold_listens():
            run("systemctl", "start", HOLD, check=False)
        elif self._hold_lacks_a_socket() and not self._is_active(HOLD_SERVICE):
            # Nobody waits there now.
            run("systemctl", "restart", HOLD, check=False)
        for guard in GUARDS:
            if not self._is_active(guard):
                run("systemctl", "start", guard, check=False)
        plan = self.plan()
        if self.control != "systemctl" and self.paths.on_host("/usr/sbin/policy-rc.d").exists():
            beneath = None  # it would have to be asked about that unit, too
        for program, action in plan.items():
            if action not in {Action.NOTHING, Action.LEAVE}:
                self._act(program, action, beneath if program == SYNAPSE else None)
        return plan

    def look_for_upgrade(self) -> None:
        """Have the health gate look, without waiting for it: dpkg may be waiting for us."""
        if self.present:
            run("systemctl", "start", "--no-block", GATE, check=False)

    def start(self, program: str) -> None:
        """Start one service; HostError when it does not run afterwards."""
        self._act(program, Action.START)

    def stop(self, program: str) -> None:
        run("systemctl", "stop", UNITS[program], timeout=600)

    def _act(self, program: str, action: Action, beneath: str | None = None) -> None:
        unit = UNITS[program]
        disk.ensure_directory(self.paths.runtime, 0o755)
        if action is Action.RELOAD:
            result = run(self.control, "reload", unit, timeout=120, check=False)
            returncode, output = result.returncode, result.output
        else:
            if not self.units()[program].running:
                # Its limit on failed starts must not forbid the one that may repair it.
                run("systemctl", "reset-failed", unit, check=False)
            returncode, output = self._start(action, unit, beneath)
        after = self.units()[program]
        if returncode != 0 or (not after.running and not self._held_back_by_policy(after)):
            raise HostError(
                Problem(
                    unit,
                    f"did not {action} (it is {after.state}): {last_lines(output)}"
                    f"{self._journal(unit)}",
                    f"read `journalctl -u {unit} -n 50`",
                )
            )
        wanted = self.wanted(program)
        if after.running and wanted and self.loaded(program) != wanted:
            # The drop-in that records it is missing or masked: record it here, or every run
            # would restart the service.
            disk.replace(self.paths.loaded(program), f"{wanted}\n".encode(), 0o644)

    def _held_back_by_policy(self, unit: Unit) -> bool:
        """policy-rc.d forbade the start: deb-systemd-invoke says so and succeeds."""
        never_tried = unit.properties.get("ConditionTimestampMonotonic", "0") == "0"
        return self.control == "deb-systemd-invoke" and never_tried

    def _start(self, action: Action, unit: str, beneath: str | None) -> tuple[int, str]:
        """Start or restart, for as long as it takes: Synapse is ready only after a migration."""
        both = beneath_synapse.command(beneath, unit) if beneath else None
        process = subprocess.Popen(
            both or [self.control, str(action), unit],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        begun = time.monotonic()
        while True:
            try:
                output, _ = process.communicate(timeout=_PROGRESS_EVERY)
                return process.returncode, output
            except subprocess.TimeoutExpired:
                waited = time.monotonic() - begun
                print(f"Waiting for {unit} since {waited:.0f} s.", file=sys.stderr, flush=True)

    def _journal(self, unit: str) -> str:
        """The lines of the journal that say why."""
        try:
            shown = run(
                "journalctl", "--unit", unit, "--lines=40", "--output=cat", "--no-pager",
                check=False,
            )  # fmt: skip
        except HostError:
            return ""  # a slow journal must not hide what is wrong
        marks = ("error", "emerg", "exception", "traceback", "fatal")
        telling = [
            line for line in shown.stdout.splitlines() if any(m in line.lower() for m in marks)
        ]
        return f" | {last_lines(chr(10).join(telling))}" if telling else ""
