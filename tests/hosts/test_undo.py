"""A new Synapse that is wrong: the server goes back by itself, says why, and keeps it away.

On each release one clone takes all candidates, one after the other: each is undone before the next
comes. They are installed by dpkg alone, as if they had come past the check of candidates.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host
from tests.hosts.probes import login, request, wait_until_serving
from tests.hosts.upgrades import candidates
from tests.hosts.upgrades.candidates import UPSTREAM, Candidate

WHO_AM_I = "/_matrix/client/v3/account/whoami"
# From the moment at which its files are there, or at which it begins to be wrong if that is later.
WITHIN = 120
DROP_IN = "/run/systemd/system/matrix-synapse.service.d/99-memory.conf"
GATE = "altpeter-matrix-gate"
MAILS = "/root/mails"


@dataclass
class Patient:
    """A server that gets broken versions, and somebody who stays logged in."""

    server: Deployment
    directory: Path
    token: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def host(self) -> Host:
        return self.server.host

    def installed(self) -> str:
        return self.host.run("dpkg-query", "-W", "-f", "${Version}", UPSTREAM).stdout

    def history(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.host.run("altpeter-matrix", "upgrades", "--json").stdout
        )
        return found

    def until(self, true: Callable[[], bool], within: float) -> None:
        end = time.monotonic() + within
        while not true():
            assert time.monotonic() < end, f"{self.history()}\n{self.journal()}"
            time.sleep(0.3)

    def until_good(self, within: float = 120) -> str:
        """Wait until the gate is content with what is installed, and can come back to it."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            book = self.history()
            if book["trial"] is None and book["good"] and self.kept():
                return str(book["good"]["version"])
            time.sleep(0.5)
        raise AssertionError(
            f"no verdict within {within:.0f} s: {self.history()}\n{self.journal()}"
        )

    def kept(self) -> list[str]:
        shown = self.host.sh("cat /var/lib/altpeter-matrix/packages/packages.json || echo '[]'")
        return [one["version"] for one in json.loads(shown.stdout)]

    def journal(self) -> str:
        return self.host.run(
            "journalctl", "-t", "altpeter-matrix", "-u", GATE, "-n", "30", "--no-pager"
        ).stdout

    def install(self, candidate: Candidate) -> str:
        """Begin to install it; its version. dpkg may hang until the gate acts, so nobody waits."""
        deb = candidates.build(candidate, self.host.debian, next(self._numbers), self.directory)
        self.host.run("rm", "-f", MAILS)
        target = self.host.root / "root" / deb.name
        target.write_bytes(deb.read_bytes())
        deb.unlink()
        if candidate.memory:
            self.host.write(DROP_IN, f"[Service]\nLimitAS={candidate.memory}\n")
            self.host.run("systemctl", "daemon-reload")
        self.host.sh(
            "systemctl reset-failed install 2>/dev/null || true; "
            "systemd-run --quiet --collect --unit=install -p KillMode=process "
            f"dpkg --force-unsafe-io -i /root/{deb.name}"
        )
        return deb.name.split("_")[1]

    def until_installed(self, version: str) -> None:
        self.host.sh(
            f"until [ \"$(dpkg-query -W -f '${{Version}}' {UPSTREAM})\" = {version} ]; do"
            " sleep 0.2; done"
        )

    def until_over(self, version: str, within: float) -> dict[str, Any]:
        """Wait for the end of its trial; the entry in the history."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            for entry in self.history()["upgrades"]:
                if entry["version"] == version:
                    found: dict[str, Any] = entry
                    return found
            time.sleep(0.5)
        raise AssertionError(
            f"no verdict within {within:.0f} s: {self.history()}\n{self.journal()}"
        )

    def until_serving_as(self, version: str, within: float) -> None:
        """Wait until that version is installed and somebody who was logged in still is."""
        end = time.monotonic() + within
        seen = ""
        while time.monotonic() < end:
            try:
                if self.installed() == version:
                    answer = request(self.server, WHO_AM_I, token=self.token, timeout=5)
                    seen = f"{answer.status} {answer.body[:200]!r}"
                    if answer.status == 200:
                        return
            except OSError as error:
                seen = repr(error)
            time.sleep(0.5)
        raise AssertionError(f"{version} does not serve: {seen}\n{self.journal()}")

    def assert_undone(self, candidate: Candidate, version: str, good: str) -> None:
        entry = self.until_over(version, 90)
        assert entry["result"] == "undone", entry
        assert (entry["before"], entry["note"]) == (good, ""), entry
        assert candidate.says in entry["reason"]["what"], entry["reason"]
        listed = self.host.run("altpeter-matrix", "upgrades").stdout
        assert f"-> {version}  UNDONE" in listed and candidate.says in listed
        status = self.host.run("altpeter-matrix", "status", check=False).stdout
        assert f"{UPSTREAM} to {version} is held back" in status
        assert candidate.says in status
        wrong = [line for line in status.splitlines() if line.startswith("error:")]
        assert all("is held back" in line for line in wrong), status
        assert self.host.read(MAILS).count("Subject:") == 1
        self.host.run("rm", MAILS)
        policy = self.host.run("apt-cache", "policy", UPSTREAM).stdout
        assert version not in policy.partition("Version table")[0]
        assert self.host.run("dpkg", "--audit").stdout == ""
        assert self.host.run("dpkg", "--verify", UPSTREAM).stdout == ""
        print(f"Debian {self.host.debian}, {candidate.name}: {entry}")


@pytest.fixture(scope="module")
def patient(deployment: Deployment, fleet: Fleet) -> Iterator[Patient]:
    with fleet.clone(deployment, "undo", dns=True) as copy:
        wait_until_serving(copy)
        patient = Patient(copy, fleet.lab.state / f"candidates-{copy.host.name}")
        patient.token = login(copy)
        copy.host.write("/usr/sbin/sendmail", f"#!/bin/sh\ncat >>{MAILS}\n", 0o755)
        patient.until_good()
        yield patient


def undone(patient: Patient, candidate: Candidate) -> None:
    good = patient.until_good()
    try:
        version = patient.install(candidate)
        patient.until_installed(version)
        begun = time.monotonic()
        patient.until_serving_as(good, WITHIN + candidate.sound_for)
        print(f"Debian {patient.host.debian}, {candidate.name}: {time.monotonic() - begun:.0f} s")
        patient.assert_undone(candidate, version, good)
    finally:
        patient.host.sh(f"if [ -e {DROP_IN} ]; then rm {DROP_IN}; systemctl daemon-reload; fi")


def test_a_broken_version_is_undone(patient: Patient) -> None:
    """The short form: one candidate on each release."""
    short = {"12": candidates.ANSWERS_500, "13": candidates.DOES_NOT_START}
    undone(patient, short[patient.host.debian])


@pytest.mark.upgrades
@pytest.mark.parametrize("candidate", candidates.BROKEN, ids=str)
def test_a_broken_version_is_undone_within_two_minutes(
    patient: Patient, candidate: Candidate
) -> None:
    undone(patient, candidate)


@pytest.mark.upgrades
@pytest.mark.parametrize("seconds", [90, 600])
def test_a_long_migration_is_neither_killed_nor_undone(patient: Patient, seconds: int) -> None:
    good = patient.until_good()
    candidate = candidates.slow_migration(seconds)
    version = patient.install(candidate)
    patient.until_installed(version)
    patient.until(lambda: bool((patient.history()["trial"] or {}).get("migrating")), 60)
    assert "do not interrupt it" in patient.host.run("altpeter-matrix", "upgrades").stdout
    status = patient.host.run("altpeter-matrix", "status", check=False).stdout
    assert "migrates the database" in status
    patient.until_serving_as(version, seconds + 60)
    restarts = patient.host.run("systemctl", "show", "-P", "NRestarts", "matrix-synapse").stdout
    assert restarts.strip() == "0"
    entry = patient.until_over(version, 120)
    assert entry["result"] == "passed"
    assert patient.until_good() == version
    assert set(patient.kept()) == {good, version}
    assert "held back" not in patient.host.run("altpeter-matrix", "status").stdout


@pytest.mark.upgrades
def test_a_gate_that_is_killed_at_any_moment_finishes(patient: Patient) -> None:
    """kill -9 every three seconds, while it watches and while it goes back."""
    good = patient.until_good()
    version = patient.install(candidates.NEVER_SAYS_READY)
    patient.until_installed(version)
    end = time.monotonic() + 45
    while time.monotonic() < end:
        patient.host.run(
            "systemctl", "kill", "--signal=KILL", "--kill-whom=main", GATE, check=False
        )
        time.sleep(3)
    patient.until(lambda: (patient.history()["trial"] or {}).get("phase") == "going back", 120)
    while (patient.history()["trial"] or {}).get("phase") == "going back":
        patient.host.run(
            "systemctl", "kill", "--signal=KILL", "--kill-whom=main", GATE, check=False
        )
        time.sleep(3)
    patient.until_serving_as(good, 120)
    patient.assert_undone(candidates.NEVER_SAYS_READY, version, good)
    assert patient.host.sh("test ! -e /run/altpeter-matrix/synapse-refused").returncode == 0


@pytest.mark.upgrades
@pytest.mark.parametrize("stage", ["upgrade", "status half-installed", "configure"])
def test_a_power_cut_while_it_goes_back_is_survived(patient: Patient, stage: str) -> None:
    good = patient.until_good()
    version = patient.install(candidates.DOES_NOT_START)
    patient.until_installed(version)
    log = patient.host.root / "var/log/dpkg.log"
    patient.until(lambda: (patient.history()["trial"] or {}).get("phase") == "going back", 120)
    seen = log.read_text().count(f"{stage} {UPSTREAM}")
    patient.until(lambda: log.read_text().count(f"{stage} {UPSTREAM}") > seen, 60)
    patient.host.kill()
    patient.host.start()
    patient.until_serving_as(good, 180)
    patient.assert_undone(candidates.DOES_NOT_START, version, good)


@pytest.mark.upgrades
def test_a_version_that_changed_the_database_for_good_stays_and_status_says_why(
    patient: Patient,
) -> None:
    good = patient.until_good()
    candidate = candidates.CHANGES_THE_DATABASE
    version = patient.install(candidate)
    patient.until_installed(version)
    entry = patient.until_over(version, WITHIN)
    assert entry["result"] == "failed"
    assert candidate.says in entry["reason"]["what"]
    assert patient.installed() == version
    status = patient.host.run("altpeter-matrix", "status", check=False)
    assert status.returncode == 1
    assert candidate.says in status.stdout and "docs/undo.md" in status.stdout
    assert "is held back" not in status.stdout, "it is installed"
    # As the page says, with a smaller number standing for a backup.
    backup = (
        "update schema_compat_version set compat_version = 84;"
        " update schema_version set version = 94"
    )
    patient.host.sh(
        "systemctl stop matrix-synapse;"
        f" runuser -u postgres -- psql --quiet synapse --command='{backup}';"
        f" dpkg --install /var/lib/altpeter-matrix/packages/{UPSTREAM}_{good}.deb </dev/null;"
        " altpeter-matrix apply"
    )
    patient.until_serving_as(good, 60)
    assert patient.until_good() == good
