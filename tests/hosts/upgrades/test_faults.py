"""An upgrade that is killed, loses its power, or finds a broken host: no edit is lost, nginx and
Synapse go on and can start, and `dpkg --configure -a` or the next `apply` ends it well.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host
from tests.hosts.probes import login, request, wait_until_serving

from .bench import DIGESTS, REPLACED, WHO_AM_I
from .cells import Upgrade
from .faults import FAULTS, MOMENTS, SHORT, SHORT_POWER, Fault, Moment
from .states import SITE
from .stock import Stock

UNIT = "upgrade"
# Not yet seen green as a whole.
pytestmark = pytest.mark.upgrades


class Patient:
    """A server whose upgrades of our package and nginx are disturbed."""

    def __init__(self, fleet: Fleet, server: Deployment) -> None:
        self.server = server
        self.host: Host = server.host
        self.stock = Stock(self.host, fleet.lab.state / f"stock-{self.host.name}")
        wait_until_serving(server)
        self.token = login(server)
        self._next = True

    def upload(self, *, nginx: bool) -> str:
        """Another version of our package than the one before, and of nginx; the files there."""
        ours = self.stock.ours("next" if self._next else "this")
        self._next = not self._next
        packages = [ours, *(self.stock.packages(Upgrade.NGINX) if nginx else ())]
        self.host.run("mkdir", "-p", "/root/upgrade")
        for package in packages:
            target = self.host.root / "root/upgrade" / package.name
            target.write_bytes(package.read_bytes())
        return " ".join(f"/root/upgrade/{package.name}" for package in packages)

    def edit(self) -> str:
        """Change a generated file by hand; its digest."""
        self.host.sh(f"echo '# edited by hand at {time.time()}' >> {SITE}")
        return self.digests()[SITE]

    def digests(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.host.run("python3", "-c", DIGESTS, SITE).stdout)
        return found

    def start(self, files: str, moment: Moment) -> bool:
        """Begin an upgrade and wait for the moment; whether it is still under way then."""
        log = self.host.root / "var/log/dpkg.log"
        before = log.stat().st_size if log.exists() else 0
        self.host.sh(
            f"systemctl reset-failed {UNIT} 2>/dev/null || true; "
            f"systemd-run --quiet --collect --unit={UNIT} -p KillMode=process "
            f"dpkg --force-downgrade -i {files}"
        )
        end = time.monotonic() + 60
        while moment.stage not in _added(log, before):
            assert time.monotonic() < end, f"dpkg did not come to {moment}"
            time.sleep(0.01)
        time.sleep(moment.seconds)
        return self.upgrading()

    def upgrading(self) -> bool:
        shown = self.host.run("systemctl", "is-active", UNIT, check=False).stdout.strip()
        return shown in {"active", "activating", "deactivating"}

    def recover(self, files: str, edited: str) -> None:
        """What an administrator does, and what must be true before and after."""
        host = self.host
        host.run("nginx", "-t")
        wait_until_serving(self.server)
        host.sh("dpkg --configure -a </dev/null 2>&1")
        # What was being unpacked has to be unpacked again, as dpkg demands of any package.
        host.sh(f"dpkg --force-downgrade -i {files} </dev/null 2>&1")
        host.sh("rm -r /root/upgrade")
        self.assert_well(edited)

    def assert_well(self, edited: str) -> None:
        assert self.host.run("dpkg", "--audit").stdout == ""
        self.host.run("altpeter-matrix", "apply")
        status = self.host.run("altpeter-matrix", "status", check=False)
        assert status.returncode == 0, status.stdout
        kept = [path for path, digest in self.digests().items() if digest == edited]
        assert any(Path(path).is_relative_to(REPLACED) for path in kept), "the edit is lost"
        answer = request(self.server, WHO_AM_I, token=self.token)
        assert self.server.administrator in answer.body.decode()


def _added(log: Path, offset: int) -> str:
    if not log.exists():
        return ""
    with log.open() as file:
        file.seek(offset)
        return file.read()


def long_form(chosen: tuple[Moment, ...]) -> list[object]:
    rest = [moment for moment in MOMENTS if moment not in chosen]
    return [*chosen, *(pytest.param(moment, marks=pytest.mark.upgrades) for moment in rest)]


@pytest.fixture(scope="module")
def patient(
    fleet: Fleet, debian13: Deployment, clone: Callable[..., Deployment]
) -> Iterator[Patient]:
    yield Patient(fleet, clone(debian13, "faults"))


@pytest.mark.parametrize("moment", long_form(SHORT), ids=str)
def test_a_killed_dpkg_loses_nothing(patient: Patient, moment: Moment) -> None:
    files = patient.upload(nginx=True)
    edited = patient.edit()
    assert patient.start(files, moment), f"the upgrade ended before {moment}"
    # dpkg alone at every other moment: what it started goes on. Else all of it.
    whom = "main" if MOMENTS.index(moment) % 2 else "all"
    patient.host.run("systemctl", "kill", f"--kill-whom={whom}", "--signal=KILL", UNIT)
    patient.recover(files, edited)


@pytest.mark.parametrize("moment", long_form(SHORT_POWER), ids=str)
def test_a_power_cut_during_an_upgrade_loses_nothing(patient: Patient, moment: Moment) -> None:
    files = patient.upload(nginx=True)
    edited = patient.edit()
    assert patient.start(files, moment), f"the upgrade ended before {moment}"
    patient.host.kill()
    patient.host.start()
    patient.recover(files, edited)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "_"))
def test_an_upgrade_on_a_broken_host_ends_well(patient: Patient, fault: Fault) -> None:
    files = patient.upload(nginx=False)
    edited = patient.edit()
    patient.host.sh(fault.spoil)
    upgraded = patient.host.sh(f"dpkg --force-downgrade -i {files} </dev/null 2>&1", check=False)
    wait_until_serving(patient.server)
    patient.host.sh(fault.repair)
    patient.host.sh("dpkg --configure -a </dev/null 2>&1; rm -r /root/upgrade")
    if fault.name == "no state":
        patient.host.run("altpeter-matrix", "apply")
        edited = patient.edit()
    patient.assert_well(edited)
    assert "end of file on stdin" not in upgraded.stdout
