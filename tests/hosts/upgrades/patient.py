"""A server whose upgrades are disturbed, and what must be true of it before and after."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host, Scarce
from tests.hosts.lab.commands import run
from tests.hosts.probes import login, request, wait_until_serving

from .bench import DIGESTS, REPLACED, WHO_AM_I
from .cells import Upgrade
from .faults import PAST, Fault, Moment
from .states import NGINX_ADDITION, SETTINGS, SITE, SYNAPSE_ADDITION
from .stock import Stock
from .ways import NOBODY

PLACE = "/root/upgrade"
SCRIPT = "/root/disturb.py"
SOON = 0.6
# Starts dpkg and waits for a moment of its work. Then it kills dpkg, "alone" or with "all" that it
# started, or leaves a file ("tell"). Prints whether the moment was in time.
DISTURB = f"""
import os, pathlib, signal, subprocess, sys, time
stage, seconds, how, *files = sys.argv[1:]
with open("/var/log/dpkg.log") as log, open("/var/log/disturbed.log", "ab") as output:
    log.seek(0, os.SEEK_END)
    dpkg = subprocess.Popen(["dpkg", "--force-downgrade", "-i", *files], start_new_session=True,
                            stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    seen = ""
    while stage not in seen:
        ended = dpkg.poll() is not None
        seen += log.read()
        if ended and stage not in seen:
            sys.exit(f"dpkg never came to {{stage}}:\\n{{seen}}")
        time.sleep(0.001)
    try:
        dpkg.wait(float(seconds))
    except subprocess.TimeoutExpired:
        print("in time")
        if how == "tell":
            pathlib.Path("{PLACE}/now").touch()
            dpkg.wait()
        else:
            (os.killpg if how == "all" else os.kill)(dpkg.pid, signal.SIGKILL)
            dpkg.wait()
    pathlib.Path("{PLACE}/ended").touch()
"""


class Patient:
    """A clone of a server, with edits in each of the places where an administrator makes them."""

    def __init__(self, fleet: Fleet, server: Deployment) -> None:
        self.server = server
        self.host: Host = server.host
        self.stock = Stock(self.host, fleet.lab.state / f"stock-{self.host.name}")
        self.host.write(SCRIPT, DISTURB)
        past = self.host.root / PAST.lstrip("/")
        run("cc", "-O1", "-shared", "-fPIC", "-o", past, Path(__file__).with_name("past.c"))
        wait_until_serving(server)
        self.token = login(server)
        self._next = True
        self._unit = ""

    def kill_dpkg(self, moment: Moment, how: str) -> None:
        """SIGKILL; how: to dpkg "alone", then what it started goes on, or to "all" of it."""

        def kill(files: str, seconds: float) -> bool:
            command = f"python3 {SCRIPT} '{moment.stage}' {seconds} {how} {files}"
            return "in time" in self.host.sh(command).stdout

        files, edits = self._disturb(kill, moment.seconds)
        self.host.sh("systemctl reset-failed; systemctl restart nginx matrix-synapse")
        self._recover(files, edits)

    def cut_power(self, moment: Moment) -> None:
        def cut() -> None:
            self.host.kill()
            self.host.start()

        files, edits = self._disturb(self._at(moment, cut), moment.seconds)
        active = self.host.run("systemctl", "is-active", "nginx", "matrix-synapse", check=False)
        # Synapse may still be starting: nothing waits for it at boot.
        assert set(active.stdout.split()) <= {"active", "activating"}, active.stdout
        self._recover(files, edits)

    def run_full(self, moment: Moment, scarce: Scarce) -> None:
        """The whole disk; somebody frees some space later.

        Meanwhile the services go on, and nginx can start anew. A Synapse that is restarted comes
        back by itself with the space: until then PostgreSQL may refuse its connections, for which
        it has to write a file (pg_internal.init).
        """
        # To write into a file of a lower layer takes the space of the whole file; on a real disk it
        # takes none.
        self.host.sh("find /etc /var -xdev -type f -exec touch -ac {} +")

        upgrade = self._at(moment, lambda: self.host.disk.exhaust(scarce))

        def fill(files: str, seconds: float) -> bool:
            in_time = upgrade(files, seconds)
            if not in_time:
                self.host.disk.relieve()
            return in_time

        try:
            files, edits = self._disturb(fill, moment.seconds)
            self._wait_for_dpkg()
            self.host.sh("systemctl reset-failed; systemctl restart nginx")
            wait_until_serving(self.server, within=90)
            self.host.run("systemctl", "restart", "matrix-synapse", check=False)
        finally:
            self.host.disk.relieve()
        self._recover(files, edits)

    def suffer(self, fault: Fault) -> None:
        files, edits = self._offer(nginx=False), self._edit()
        self.host.sh(fault.spoil)
        # In the environment of a service.
        done = self.host.sh(
            f"systemd-run --quiet --pipe --wait dpkg --force-downgrade -i {files} </dev/null 2>&1",
            check=False,
        )
        assert NOBODY not in done.stdout
        assert (done.returncode == 0) is fault.completes, done.stdout
        self.host.sh("systemctl reset-failed; systemctl restart nginx matrix-synapse")
        wait_until_serving(self.server)
        self.host.sh(fault.repair)
        self.host.sh("dpkg --configure -a </dev/null 2>&1")
        self._assert_well({k: v for k, v in edits.items() if k not in fault.loses}, done.stdout)
        self.host.sh(fault.clear)
        self.host.run("altpeter-matrix", "apply")

    def _at(self, moment: Moment, disturb: Callable[[], None]) -> Callable[[str, float], bool]:
        """Starts the upgrade, and disturbs it at the moment; tells whether that was in time."""

        def act(files: str, seconds: float) -> bool:
            self._unit = f"disturb-{time.monotonic_ns()}"
            self.host.sh(
                f"systemd-run --quiet --collect --unit={self._unit}"
                f" python3 {SCRIPT} '{moment.stage}' {seconds} tell {files}"
            )
            now, ended = (self.host.root / PLACE.lstrip("/") / name for name in ("now", "ended"))
            end = time.monotonic() + 90
            while not now.exists():
                if ended.exists():
                    return False
                assert time.monotonic() < end, f"dpkg did not come to {moment}"
                time.sleep(0.001)
            disturb()
            return not ended.exists()

        return act

    def _wait_for_dpkg(self) -> None:
        end = time.monotonic() + 300
        while self.host.run("systemctl", "is-active", self._unit, check=False).returncode == 0:
            assert time.monotonic() < end, "dpkg does not end"
            time.sleep(0.2)

    def _disturb(
        self, disturb: Callable[[str, float], bool], seconds: float
    ) -> tuple[str, Mapping[str, str]]:
        """Until it was in time: how long a stage takes depends on the machine."""
        for _ in range(8):
            files, edits = self._offer(nginx=True), self._edit()
            if disturb(files, seconds):
                return files, edits
            seconds *= SOON
        raise AssertionError("every upgrade ended before it was disturbed")

    def _offer(self, *, nginx: bool) -> str:
        """Another version of our package than the one before, and of nginx; the files there."""
        ours = self.stock.ours("next" if self._next else "this")
        self._next = not self._next
        packages = [ours, *(self.stock.packages(Upgrade.NGINX) if nginx else ())]
        self.host.sh(f"rm -rf {PLACE}; mkdir {PLACE}")
        place = self.host.root / PLACE.lstrip("/")
        for package in packages:
            (place / package.name).write_bytes(package.read_bytes())
        return " ".join(f"{PLACE}/{package.name}" for package in packages)

    def _edit(self) -> Mapping[str, str]:
        """Edit by hand what is edited by hand; the digests."""
        edited = (SITE, SETTINGS, NGINX_ADDITION, SYNAPSE_ADDITION)
        line = f"# edited by hand at {time.time()}"
        self.host.sh("; ".join(f"echo '{line}' >> {path}" for path in edited))
        found = self._digests(*edited)
        return {path: found[path] for path in edited}

    def _digests(self, *paths: str) -> dict[str, str]:
        shown = self.host.run("python3", "-c", DIGESTS, *paths).stdout
        found: dict[str, str] = json.loads(shown)
        return found

    def _recover(self, files: str, edits: Mapping[str, str]) -> None:
        """What an administrator does: dpkg demands that what was being unpacked is unpacked
        again."""
        self.host.run("nginx", "-t")
        wait_until_serving(self.server, within=90)
        errors = self.host.run("dpkg-query", "-W", "-f", "${db:Status-Eflag}\\n").stdout
        configured = self.host.sh("dpkg --configure -a </dev/null 2>&1", check=False)
        if "reinstreq" not in errors:
            assert configured.returncode == 0, configured.stdout
        upgraded = self.host.sh(f"dpkg --force-downgrade -i {files} </dev/null 2>&1").stdout
        self._assert_well(edits, f"{configured.stdout}\n{upgraded}")

    def _assert_well(self, edits: Mapping[str, str], said: str) -> None:
        assert self.host.run("dpkg", "--audit").stdout == ""
        applied = self.host.run("altpeter-matrix", "apply", check=False)
        assert applied.returncode == 0, f"{said}\n{applied.stderr}"
        status = self.host.run("altpeter-matrix", "status", check=False)
        assert status.returncode == 0, f"{said}\n{status.stdout}"
        now = self._digests(*edits)
        aside = {digest for path, digest in now.items() if path.startswith(REPLACED)}
        lost = [path for path, digest in edits.items() if now.get(path) != digest]
        assert not [path for path in lost if path != SITE or edits[path] not in aside], (
            f"lost {lost}"
        )
        wait_until_serving(self.server)
        answer = request(self.server, WHO_AM_I, token=self.token)
        assert self.server.administrator in answer.body.decode()
