"""A server that gets broken versions of Synapse, and somebody who stays logged in there."""

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
from tests.hosts.lab import Host, Lab
from tests.hosts.probes import UpgradeHistory, login, request, wait_until_serving
from tests.hosts.watched import looked

from . import candidates
from .candidates import UPSTREAM, Candidate

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
    lab: Lab
    token: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self._history = UpgradeHistory(self.host)

    @property
    def host(self) -> Host:
        return self.server.host

    @property
    def directory(self) -> Path:
        """Where its candidates are made."""
        return self.lab.state / f"candidates-{self.host.name}"

    def on_trial(self) -> str | None:
        """The version that is, if any."""
        trial = self.history()["trial"]
        return None if trial is None else str(trial["release"]["version"])

    def phase(self) -> str | None:
        """What the gate is doing with a version, if anything."""
        trial = self.history()["trial"]
        return None if trial is None else str(trial["phase"])

    def installed(self) -> str:
        return self.host.run("dpkg-query", "-W", "-f", "${Version}", UPSTREAM).stdout

    def history(self) -> dict[str, Any]:
        return self._history.read()

    def until(self, true: Callable[[], bool], within: float) -> None:
        end = time.monotonic() + within
        while not true():
            assert time.monotonic() < end, f"{self.history()}\n{self.journal()}"
            time.sleep(0.3)

    def until_good(self, within: float = 300) -> str:
        """Wait until the gate is content with what is installed, and can come back to it."""
        end = time.monotonic() + within
        while time.monotonic() < end:
            book = self.history()
            if book["trial"] is None and book["good"] and book["good"]["version"] in self.kept():
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

    def build(self, candidate: Candidate) -> Path:
        """The candidate as the next version."""
        return candidates.build(candidate, self.host.debian, next(self._numbers), self.directory)

    def upload(self, candidate: Candidate) -> str:
        """The candidate as the next version: its file on the host."""
        deb = self.build(candidate)
        (self.host.root / "root" / deb.name).write_bytes(deb.read_bytes())
        deb.unlink()
        return f"/root/{deb.name}"

    def install(self, candidate: Candidate) -> str:
        """Begin to install it; its version. dpkg may hang until the gate acts, so nobody waits."""
        deb = self.upload(candidate)
        self.host.run("rm", "-f", MAILS)
        if candidate.memory:
            self.host.write(DROP_IN, f"[Service]\nLimitAS={candidate.memory}\n")
            self.host.run("systemctl", "daemon-reload")
        self.host.sh(
            "systemctl reset-failed install 2>/dev/null || true; "
            "systemd-run --quiet --collect --unit=install -p KillMode=process "
            f"dpkg --force-unsafe-io -i {deb}"
        )
        return deb.split("_")[1]

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
        looked(self.host, 3)
        assert self.host.read(MAILS).count("Subject:") == 1, self.host.read(MAILS)
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
        patient = Patient(copy, fleet.lab)
        patient.token = login(copy)
        copy.host.write("/usr/sbin/sendmail", f"#!/bin/sh\ncat >>{MAILS}\n", 0o755)
        patient.until_good()
        yield patient
