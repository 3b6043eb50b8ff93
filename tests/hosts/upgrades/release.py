"""The upgrade of a whole host from Debian 12 to 13, as the release notes tell it."""

import time
from collections.abc import Iterator
from contextlib import suppress

from tests.hosts.lab import CommandError, Host
from tests.hosts.lab.controller import apt_sources

UNIT = "release-upgrade.service"
LOG = "/root/release-upgrade.log"


def follow_trixie(host: Host) -> None:
    """Have apt see the packages of Debian 13."""
    host.write("/etc/apt/sources.list.d/debian.sources", apt_sources("trixie"))
    host.sh("sed -i s/bookworm/trixie/ /etc/apt/sources.list.d/*.sources")
    host.run("apt-get", "-q", "update")


def full_upgrade(host: Host) -> tuple[bool, str]:
    """With a closed stdin, at which dpkg fails when it has a question: whether it worked, and its
    output. In a unit, since it restarts what an SSH connection depends on."""
    host.run(
        "systemd-run", "--quiet", "--no-block", f"--unit={UNIT}", "--property=Type=oneshot",
        "--property=RemainAfterExit=yes", "--property=StandardInput=null",
        f"--property=StandardOutput=file:{LOG}", "--property=StandardError=inherit",
        "--setenv=DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "full-upgrade",
    )  # fmt: skip
    end = time.monotonic() + 1200
    while True:
        with suppress(CommandError):
            shown = host.run("systemctl", "show", "-P", "ActiveState", UNIT, timeout=30)
            if shown.stdout.strip() != "activating":
                break
        assert time.monotonic() < end, "the upgrade does not end"
        time.sleep(1)
    return shown.stdout == "active\n", host.read(LOG)


def unfinished(host: Host) -> Iterator[str]:
    """What speaks against the host being one of Debian 13, with all of its packages."""
    if not (version := host.read("/etc/debian_version")).startswith("13"):
        yield f"/etc/debian_version: {version}"
    pending = host.sh("apt-get -s -q full-upgrade").stdout
    if "0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded" not in pending:
        yield pending
    left = "find /etc -name '*.dpkg-*' ! -path '/etc/systemd/*' -o -name '*.ucf-*' | sort"
    if found := host.sh(left).stdout.split():
        yield f"left behind: {', '.join(found)}"
