"""A server that takes its updates itself, and what its administrator gets to see."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host, Services
from tests.hosts.people import SETTINGS
from tests.hosts.upgrades.packages import Repository, field
from tests.hosts.upgrades.stock import Stock

SYNAPSE, OURS = "matrix-synapse-py3", "altpeter-matrix-config"
PIN = "/etc/apt/preferences.d/altpeter-matrix-held-back.pref"
GUARD = "altpeter-matrix-upgrade-check"
# A mail to root is to arrive at the lab's mail server.
MSMTP = """
account default
host mail.lab.test
port 25
from root@lab.test
aliases /etc/aliases.msmtp
"""


@dataclass(frozen=True)
class Updated:
    """A server, and the repository whose new versions it is offered.

    refusing: a candidate that rejects `user_directory`, and is fine without it.
    """

    server: Deployment
    repository: Repository
    stock: Stock
    refusing: Path

    @property
    def host(self) -> Host:
        return self.server.host

    def installed(self, package: str = SYNAPSE) -> str:
        return self.host.run("dpkg-query", "-W", "-f", "${Version}", package).stdout

    def process(self) -> str:
        return self.host.run(
            "systemctl", "show", "-p", "InvocationID", "--value", "matrix-synapse"
        ).stdout

    def is_held(self, package: Path) -> bool:
        shown = self.host.sh(f"cat {PIN} 2>/dev/null || true").stdout
        return f"Pin: version {field(package, 'Version')}\n" in shown

    def is_idle(self) -> bool:
        state = self.host.run("systemctl", "is-active", f"{GUARD}.service", check=False).stdout
        return state.strip() in {"inactive", "failed"}

    def status(self) -> str:
        return self.host.run("altpeter-matrix", "status", check=False).stdout


def without(updated: Updated, option: str) -> None:
    settings = yaml.safe_load(updated.host.read(SETTINGS))
    del settings["synapse"][option]
    updated.host.write(SETTINGS, yaml.safe_dump(settings))
    updated.host.run("altpeter-matrix", "apply")


def wait_until(condition: Callable[[], bool], what: str, within: float = 120) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, f"not within {within:.0f} s: {what}"
        time.sleep(0.5)


def seen_at_login(host: Host) -> str:
    """What sshd shows a person who logs in with a terminal."""
    done = subprocess.run(
        [*host.ssh_argv, "-tt"], input="exit\n", capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.stdout


def mails(services: Services, host: Host) -> list[str]:
    """What root of this host was sent."""
    return [
        f"{mail['Subject']}\n{mail.get_content()}"
        for mail in services.mails()
        if mail["X-Lab-Rcpt-To"] == f"root@{host.name}.test"
    ]
