"""Anything may die while Synapse is upgraded or undone: afterwards the server serves, nothing that
was acknowledged is lost, no lock is left, and no version is blamed for what it did not do.

What a person, or the next timer, would do is `dpkg --configure -a` and a start of the health gate.
"""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from altpeter_matrix.base.resources import DOCUMENTS
from tests.hosts.lab import Host
from tests.hosts.probes import request, wait_until_serving
from tests.hosts.upgrades import candidates
from tests.hosts.upgrades.candidates import UPSTREAM
from tests.hosts.upgrades.clock import own_clock
from tests.hosts.upgrades.gate_patient import GATE, WHO_AM_I, Patient, patient
from tests.hosts.upgrades.packages import Repository, field

__all__ = ["patient"]

STATE = "/var/lib/altpeter-matrix"
POWER_CUTS = 20
INTO_THE_MIDDLE = POWER_CUTS // 2
HALF_INSTALLED = f"status half-installed {UPSTREAM}"
DPKG = "dpkg --force-unsafe-io -i"
TIMER = f"systemctl start --no-block {GATE}"
VENVS = "/opt/venvs"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 upgrade </dev/null"


@dataclass
class Upgraded:
    """A server that changes between two sound versions, and a room in which somebody writes."""

    patient: Patient
    debs: tuple[str, str]
    room: str
    sent: list[str]
    takes: float = 0  # seconds, an upgrade that nothing interrupts

    def upgrade(self, command: str = DPKG) -> None:
        """Begin to install the one of the two that is not there."""
        installed = self.patient.installed()
        deb = next(one for one in self.debs if f"_{installed}_" not in one)
        self.patient.host.sh(
            "systemctl reset-failed install 2>/dev/null || true; "
            f"systemd-run --quiet --collect --unit=install {command} {deb}"
        )

    def send(self) -> None:
        text = f"message {len(self.sent)}"
        answer = request(
            self.patient.server,
            f"/_matrix/client/v3/rooms/{self.room}/send/m.room.message/{time.time_ns()}",
            method="PUT", token=self.patient.token, body={"msgtype": "m.text", "body": text},
        )  # fmt: skip
        assert answer.status == 200, answer.body
        self.sent.append(text)

    def texts(self) -> list[str]:
        path = f"/_matrix/client/v3/rooms/{self.room}/messages?dir=f&limit=1000"
        answer = request(self.patient.server, path, token=self.patient.token)
        events = answer.json()["chunk"]
        return [one["content"]["body"] for one in events if one["type"] == "m.room.message"]

    def assert_well(self) -> None:
        """Once what a person or a timer does was done."""
        host = self.patient.host
        wait_until_serving(self.patient.server, within=120)
        host.sh("dpkg --configure -a </dev/null 2>&1", check=False)
        host.sh(TIMER)
        # The gate repairs what dpkg left once it has watched the running version for a minute.
        self.patient.until(lambda: host.run("dpkg", "--audit").stdout == "", 300)
        self.patient.until(lambda: self.patient.phase() != "going back", 300)
        wait_until_serving(self.patient.server, within=60)
        assert request(self.patient.server, WHO_AM_I, token=self.patient.token).status == 200
        assert self.texts() == self.sent
        self.send()
        assert host.run("dpkg", "--verify", UPSTREAM).stdout == ""
        host.sh("apt-get -q check && apt-get -q -s upgrade")
        assert host.sh(f"ls {STATE}/held-back.json 2>&1", check=False).returncode != 0
        assert host.sh("ls /run/altpeter-matrix/synapse-refused 2>&1", check=False).returncode != 0


@pytest.fixture(scope="module")
def upgraded(patient: Patient) -> Iterator[Upgraded]:
    answer = request(
        patient.server, "/_matrix/client/v3/createRoom", method="POST", token=patient.token,
        body={"preset": "private_chat"},
    )  # fmt: skip
    debs = tuple(patient.upload(candidates.SOUND) for _ in range(2))
    upgraded = Upgraded(patient, (debs[0], debs[1]), answer.json()["room_id"], [])
    began = time.monotonic()
    upgraded.upgrade()
    patient.until(lambda: not is_active(patient.host, "install"), 180)
    upgraded.takes = time.monotonic() - began
    yield upgraded


@pytest.mark.parametrize(
    ("stage", "command"),
    [
        (HALF_INSTALLED, DPKG),
        *(
            pytest.param(stage, command, marks=pytest.mark.upgrades)
            for stage, command in (
                (f"status unpacked {UPSTREAM}", DPKG),
                (f"status half-configured {UPSTREAM}", DPKG),
                (HALF_INSTALLED, "apt-get -q -y --allow-downgrades install"),
            )
        ),
    ],
)
def test_a_killed_apt_or_dpkg_costs_nothing(upgraded: Upgraded, stage: str, command: str) -> None:
    upgraded.send()
    log = upgraded.patient.host.root / "var/log/dpkg.log"
    seen = log.read_text().count(stage)
    upgraded.upgrade(command)
    upgraded.patient.until(lambda: log.read_text().count(stage) > seen, 120)
    upgraded.patient.host.run("systemctl", "kill", "--signal=KILL", "install")
    upgraded.assert_well()


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=() if number == INTO_THE_MIDDLE else pytest.mark.upgrades)
        for number in range(POWER_CUTS)
    ],
)
def test_a_power_cut_at_any_moment_of_an_upgrade_costs_nothing(
    upgraded: Upgraded, number: int
) -> None:
    upgraded.send()
    upgraded.upgrade()
    share = (number + random.Random(number).random()) / POWER_CUTS
    moment = share * upgraded.takes
    time.sleep(moment)
    host = upgraded.patient.host
    last = host.sh("tail -n 1 /var/log/dpkg.log").stdout.strip()
    host.kill()
    host.start()
    print(f"Debian {host.debian}, power cut after {moment:.1f} s: {last}")
    upgraded.assert_well()


@pytest.mark.upgrades
def test_postgresql_that_restarts_is_not_laid_at_a_new_versions_door(upgraded: Upgraded) -> None:
    patient, host = upgraded.patient, upgraded.patient.host
    patient.until_good()
    upgraded.send()
    before = len(patient.history()["upgrades"])
    upgraded.upgrade()
    patient.until(lambda: patient.on_trial() is not None, 180)
    # While it starts, and crashes again and again; each of its starts starts PostgreSQL, too.
    host.sh("for _ in $(seq 20); do systemctl stop 'postgresql@*'; sleep 2; done")
    host.run("systemctl", "start", "postgresql")
    wait_until_serving(patient.server, within=90)
    # While it serves.
    for _ in range(3):
        host.run("systemctl", "restart", "postgresql")
        time.sleep(5)
    patient.until_good()
    (entry,) = patient.history()["upgrades"][before:]
    assert entry["result"] == "passed"
    upgraded.assert_well()


@pytest.mark.upgrades
def test_a_second_apt_waits_and_the_bad_version_stays_away_until_there_is_a_newer_one(
    upgraded: Upgraded,
) -> None:
    """Both of apt's own accord, as with unattended-upgrades: from a repository."""
    patient, host = upgraded.patient, upgraded.patient.host
    good = patient.until_good()
    repository = Repository(patient.lab, host)
    bad, newer = patient.build(candidates.HANGS), patient.build(candidates.SOUND)
    bad_version, newer_version = (field(one, "Version") for one in (bad, newer))
    repository.publish([bad])
    start_apt(host, "first")
    patient.until(lambda: patient.on_trial() == bad_version, 120)
    # The first one waits for a Synapse that will never be ready, the second one for its lock.
    start_apt(host, "second")
    patient.until_serving_as(good, 180)
    assert patient.until_over(bad_version, 120)["result"] == "undone"
    for name in ("first", "second"):
        patient.until(lambda name=name: not is_active(host, name), 120)  # type: ignore[misc]
    assert bad_version in host.read("/root/first.log")
    assert bad_version not in host.read("/root/second.log")
    host.sh(APT)
    assert patient.installed() == good
    repository.publish([bad, newer])
    host.sh(APT, timeout=300)
    assert patient.installed() == newer_version
    assert patient.until_good() == newer_version
    assert "held back" not in host.run("altpeter-matrix", "status").stdout


@pytest.mark.upgrades
def test_a_clock_that_jumps_costs_nothing(upgraded: Upgraded) -> None:
    """Forward and back by a year and more, while a version is watched and while one is undone."""
    patient, host = upgraded.patient, upgraded.patient.host
    patient.until_good()
    with own_clock(host) as set_ahead:
        wait_until_serving(patient.server, within=90)
        for days in (400, -400):
            upgraded.send()
            before = len(patient.history()["upgrades"])
            upgraded.upgrade()
            patient.until(lambda: patient.on_trial() is not None, 180)
            set_ahead(days * 86400)
            good = patient.until_good()
            (entry,) = patient.history()["upgrades"][before:]
            assert (entry["result"], entry["version"]) == ("passed", good)
        upgraded.assert_well()
        version = patient.install(candidates.ANSWERS_500)
        patient.until_installed(version)
        set_ahead(0)
        patient.until(lambda: patient.phase() == "going back", 120)
        set_ahead(-86400)
        patient.until_serving_as(good, 120)
        patient.assert_undone(candidates.ANSWERS_500, version, good)
    wait_until_serving(patient.server, within=90)
    assert upgraded.texts() == upgraded.sent


@pytest.mark.upgrades
def test_a_full_disk_keeps_it_from_going_back_until_there_is_room(upgraded: Upgraded) -> None:
    """The last one: the disk stays another one."""
    patient, host = upgraded.patient, upgraded.patient.host
    good = patient.until_good()
    host.run("systemctl", "mask", "--runtime", "--now", GATE)
    version = patient.install(candidates.DOES_NOT_START)
    patient.until_installed(version)
    patient.until(lambda: not host.run("dpkg", "--audit").stdout, 60)
    host.sh(
        f"cp -a {VENVS} /root/venvs; size=$(($(du -sm {VENVS} | cut -f1) + 20));"
        f" mount -t tmpfs -o mode=0755,size=${{size}}m tmpfs {VENVS};"
        f" cp -a /root/venvs/. {VENVS}/; rm -r /root/venvs; systemctl unmask --runtime {GATE}"
    )
    host.sh(TIMER)
    assert patient.until_over(version, 240)["result"] == "failed"
    status = host.run("altpeter-matrix", "status", check=False).stdout
    assert "No space left on device" in status and f"{DOCUMENTS}/undo.md" in status
    assert patient.installed() == version
    host.sh(f"mount -o remount,size=2g {VENVS}; systemctl mask --runtime --now {GATE}")
    let_hours_pass(host.root / f"{STATE}/upgrades.json".lstrip("/"))
    host.run("systemctl", "unmask", "--runtime", GATE)
    host.sh(TIMER)
    patient.until_serving_as(good, 120)
    patient.until(lambda: patient.on_trial() is None, 60)
    assert patient.history()["upgrades"][-1]["result"] == "undone"
    assert host.run("dpkg", "--audit").stdout == ""


def start_apt(host: Host, name: str) -> None:
    host.sh(f"systemd-run --quiet --collect --unit={name} sh -c '{APT} >/root/{name}.log 2>&1'")


def is_active(host: Host, unit: str) -> bool:
    return host.run("systemctl", "is-active", "--quiet", unit, check=False).returncode == 0


def let_hours_pass(book: Path) -> None:
    """Since the version was found to be stuck."""
    data = json.loads(book.read_text())
    data["trial"]["stuck_since"] = "2026-01-01T00:00:00Z"
    book.write_text(json.dumps(data))
