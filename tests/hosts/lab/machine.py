"""One nspawn machine: power on, power off, power cut. Knows nothing of what runs inside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from . import cgroups
from .commands import run
from .errors import LabError
from .ledger import Ledger

PROPAGATE = Path("/run/systemd/nspawn/propagate")
# The arguments are the machine's control groups, "--", and nspawn's command. The loop itself lives
# beside nspawn, in a group that nspawn does not divide further. Under --keep-unit nspawn leaves the
# restart to its caller: status 133 means that the machine rebooted.
START = r"""
groups=
while [ "$1" != -- ]; do
    mkdir "$1/loop"
    echo $$ > "$1/loop/cgroup.procs"
    groups="$groups $1"
    shift
done
shift
status=133
while [ "$status" -eq 133 ]; do
    status=0
    sh -ec 'for group in $1; do echo $$ > "$group/cgroup.procs"; done; shift; exec "$@"' \
        sh "$groups" "$@" || status=$?
done
exit "$status"
"""


class Machine:
    """A systemd-nspawn container that boots the root at ``root``."""

    def __init__(self, name: str, root: Path, bridge: str, log: Path, ledger: Ledger) -> None:
        self.name = name
        self._root = root
        self._bridge = bridge
        self._log = log
        self._ledger = ledger
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def describe(self) -> str:
        """Return what can be seen from outside, for errors."""
        alive = sorted(cgroups.processes(self.name))
        listing = run(
            *("ps", "-ww", "-o", "pid,stat,etimes,args", "-p", ",".join(map(str, [1, *alive]))),
            check=False,
        )
        return f"--- processes\n{listing.stdout}--- console\n{self._log.read_text()[-3000:]}"

    def power_on(self) -> None:
        """Start the machine; returns before it has booted."""
        self._wait_for_old_link()
        with self._ledger.making("cgroup", self.name):
            # nspawn cannot remove this directory itself when /run is not a file system of its own.
            self._ledger.add("directory", str(PROPAGATE / self.name))
            self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        cgroups.create(self.name)
        groups = [str(hierarchy / self.name) for hierarchy in cgroups.hierarchies()]
        argv = [
            *("systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit"),
            *("-D", str(self._root), "-M", self.name, f"--network-bridge={self._bridge}"),
            *("--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
        ]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-ec", START, "sh", *groups, "--", *argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                },
            )

    def power_off(self, timeout: float = 120) -> None:
        """Shut the machine down as its power button would; a machine that hangs is an error."""
        if self._process is not None and self.running:
            for pid in cgroups.processes(f"{self.name}/payload/init.scope"):
                # systemd's own signal for "power off", to process 1 of the machine.
                os.kill(pid, signal.SIGRTMIN + 4)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired as late:
                self.cut_power()
                raise LabError(
                    f"{self.name} did not shut down within {timeout} s; see {self._log}"
                ) from late
        self.cut_power()

    def cut_power(self) -> None:
        """Kill everything that runs in the machine, at once."""
        cgroups.remove(self.name)
        if self._process is not None:
            self._process.wait()
            self._process = None
        with suppress(FileNotFoundError):
            shutil.rmtree(PROPAGATE / self.name)

    def _wait_for_old_link(self) -> None:
        # The kernel removes a dead machine's link a moment after its last process.
        link = Path("/sys/class/net", f"vb-{self.name}")
        end = time.monotonic() + 10
        while link.exists():
            if time.monotonic() > end:
                raise LabError(f"network link {link.name} of the machine's last run does not go")
            time.sleep(0.02)
