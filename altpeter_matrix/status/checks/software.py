"""Whether what is installed gets updates, and has them."""

import csv
import re
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from ...apt import repositories
from ...base.commands import run
from ...host.facts import SYNAPSE_PACKAGES
from ...host.requirements import os_release
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View

UNATTENDED = "/usr/bin/unattended-upgrade"
# Of apt.conf(5), in /usr/lib/apt/apt.systemd.daily; without a value they are off, but for the last.
PERIODIC = (
    "APT::Periodic::Unattended-Upgrade", "APT::Periodic::Update-Package-Lists",
    "APT::Periodic::Enable",
)  # fmt: skip
# What Debian says of its releases; unattended-upgrades brings it.
_RELEASES = "/usr/share/distro-info/debian.csv"
_LISTS = "/var/lib/apt/lists"
_FETCHED = "/var/lib/apt/periodic/update-stamp"
_UPGRADED = "/var/lib/apt/periodic/upgrade-stamp"
_OLD_DAYS = 7
_DAY = 86400.0
_HELD = re.compile(r"^Package: (\S+)\nStatus: hold ", re.MULTILINE)
# Of `apt-cache policy`: where a version can be had.
_PLACE = re.compile(r"^ +-?\d+ (\S+)", re.MULTILINE)
# Of `apt-get --simulate`: Inst openssl [3.0.17] (3.0.18 Debian-Security:12/… [amd64])
_SECURITY = re.compile(r"^Inst (\S+) \[.*\(\S+ .*\bDebian-Security:", re.MULTILINE)


def unattended(view: View) -> Iterator[Found]:
    if not view.shared(looks.settings).updates.unattended:
        return
    if not view.paths.on_host(UNATTENDED).exists():
        yield found("unattended-upgrades-missing")
        return
    names = [word for one in PERIODIC for word in (f"V{PERIODIC.index(one)}", one)]
    shown = run("apt-config", "shell", *names).stdout
    values = dict(re.findall(r"^(V\d)='(.*)'$", shown, re.MULTILINE))
    for index, option in enumerate(PERIODIC):
        value = values.get(f"V{index}", "1" if option.endswith("Enable") else "0")
        if value == "0":
            yield found("unattended-upgrades-off", option=option)


def holds(view: View) -> Iterator[Found]:
    status = view.paths.on_host("/var/lib/dpkg/status").read_text("utf-8", "replace")
    for package in sorted(_HELD.findall(status)):
        yield found("package-on-hold", package=package)


def keyrings(view: View) -> Iterator[Found]:
    for source in repositories.sources(view.paths):
        for name in source.signed_by:
            if name.startswith("/") and not view.paths.on_host(name).exists():
                yield found("repository-keyring-missing", keyring=name, file=source.file)


def repository(view: View) -> Iterator[Found]:
    """Whether Synapse is to be had anywhere, in whatever version."""
    for package in SYNAPSE_PACKAGES:
        if package in view.shared(looks.packages):
            shown = run("apt-cache", "policy", package).stdout
            if set(_PLACE.findall(shown)) <= {"/var/lib/dpkg/status"}:
                yield found("synapse-repository-missing", package=package)


def release(view: View) -> Iterator[Found]:
    number = os_release(view.paths.on_host("/etc/os-release").read_text("utf-8")).get("VERSION_ID")
    table = view.paths.on_host(_RELEASES)
    if number is None or not table.exists():
        return
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            ends = row.get("eol-lts") or row.get("eol") or ""
            if row.get("version") == number and ends and date.fromisoformat(ends) < date.today():
                yield found("release-without-updates", number=number, ends=ends)


def reboot(view: View) -> Iterator[Found]:
    if view.paths.on_host("/run/reboot-required").exists():
        yield found("reboot-required")


def lists(view: View) -> Iterator[Found]:
    fetched = _fetched(view)
    if fetched and time.time() - fetched > _OLD_DAYS * _DAY:
        yield found("package-lists-old", days=_OLD_DAYS)


def _fetched(view: View) -> float:
    """When apt has fetched its lists last: apt's timer notes it, and whatever was new is there."""
    places = (view.paths.on_host(_LISTS), view.paths.on_host(_FETCHED))
    return max((one.stat().st_mtime for one in places if one.exists()), default=0.0)


def passed_over(view: View) -> Iterator[Found]:
    """Security updates that unattended-upgrades has left out, though apt knew of them."""
    stamp: Path = view.paths.on_host(_UPGRADED)
    if not stamp.exists() or stamp.stat().st_mtime < _fetched(view):
        return
    shown = run(
        "apt-get", "--simulate", "--with-new-pkgs", "-o", "Debug::NoLocking=true", "upgrade"
    ).stdout
    for package in sorted(set(_SECURITY.findall(shown))):
        yield found("security-update-passed-over", package=package)


CHECKS = (
    Check(
        "updates install themselves",
        unattended,
        ("unattended-upgrades-missing", "unattended-upgrades-off"),
        unless=("settings-refused",),
    ),
    Check("packages on hold", holds, ("package-on-hold",), before_adoption=True),
    Check("keyrings", keyrings, ("repository-keyring-missing",), before_adoption=True, live=False),
    Check("a reboot is due", reboot, ("reboot-required",), before_adoption=True, live=False),
    Check("the age of apt's lists", lists, ("package-lists-old",), before_adoption=True),
    Check(
        "Synapse's repository",
        repository,
        ("synapse-repository-missing",),
        seconds=20.0,
        daily=True,
        unless=("repository-keyring-missing",),
    ),
    Check(
        "this release of Debian",
        release,
        ("release-without-updates",),
        daily=True,
        before_adoption=True,
    ),
    Check(
        "security updates",
        passed_over,
        ("security-update-passed-over",),
        seconds=30.0,
        daily=True,
        before_adoption=True,
    ),
)
