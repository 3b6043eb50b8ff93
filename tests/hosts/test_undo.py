"""A new Synapse that is wrong: the server goes back by itself, says why, and keeps it away.

On each release one clone takes all candidates, one after the other: each is undone before the next
comes. They are installed by dpkg alone, as if they had come past the check of candidates.
"""

import json
import time
from collections.abc import Iterator
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
# From the moment at which dpkg has been asked to install it.
WITHIN = 120
DROP_IN = "/run/systemd/system/matrix-synapse.service.d/99-memory.conf"
GATE = "altpeter-matrix-gate"


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
        target = self.host.root / "root" / deb.name
        target.write_bytes(deb.read_bytes())
        deb.unlink()
        if candidate.memory:
            self.host.write(DROP_IN, f"[Service]\nMemoryMax={candidate.memory}\nMemorySwapMax=0\n")
            self.host.run("systemctl", "daemon-reload")
        self.host.sh(
            "systemctl reset-failed install 2>/dev/null || true; "
            "systemd-run --quiet --collect --unit=install -p KillMode=process "
            f"dpkg -i /root/{deb.name}"
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
        entry = self.until_over(version, 30)
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
        patient.until_good()
        yield patient


def undone(patient: Patient, candidate: Candidate) -> None:
    good = patient.until_good()
    try:
        version = patient.install(candidate)
        begun = time.monotonic()
        patient.until_installed(version)
        patient.until_serving_as(good, WITHIN - (time.monotonic() - begun))
        print(f"Debian {patient.host.debian}, {candidate.name}: {time.monotonic() - begun:.0f} s")
        patient.assert_undone(candidate, version, good)
    finally:
        patient.host.sh(f"if [ -e {DROP_IN} ]; then rm {DROP_IN}; systemctl daemon-reload; fi")


@pytest.mark.parametrize("candidate", candidates.BROKEN, ids=str)
def test_a_broken_version_is_undone_within_two_minutes(
    patient: Patient, candidate: Candidate
) -> None:
    undone(patient, candidate)
