"""What a host must be: a release of Debian that the tests run on, with room on its disks.

Two look for it: the deploy, before the host has anything of ours (`tasks/decide/preflight.py`), and
the host tool before each change (`apply/preflight.py`).
"""

import re
from collections.abc import Mapping

from ..base.errors import Problem

# Codename and number; what is not released yet has no number.
RELEASES = {"bookworm": "12", "trixie": "13"}
UNRELEASED = ("forky", "sid")

MIB = 1024**2
# What must be free where we write: for another configuration and what it replaces, for a deploy
# that may upgrade packages, and for one that installs all of them.
FREE_TO_APPLY = 64 * MIB
FREE_TO_DEPLOY = 200 * MIB
FREE_TO_INSTALL = 1500 * MIB
INODES_TO_APPLY = 200
INODES_TO_DEPLOY = 10_000


def os_release(text: str) -> Mapping[str, str]:
    """What os-release(5) says."""
    return dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))


def release_problem(release: Mapping[str, str]) -> Problem | None:
    """Why this is no system for us, by its os-release; None: it is one."""
    supported = (
        release.get("VERSION_ID") in RELEASES.values()
        or release.get("VERSION_CODENAME") in UNRELEASED
        or "sid" in release.get("PRETTY_NAME", "")
    )
    if release.get("ID") == "debian" and supported:
        return None
    name = release.get("PRETTY_NAME") or "this system"
    numbers = ", ".join(f"Debian {number}" for number in RELEASES.values())
    return Problem("/etc/os-release", f"{name} is not supported", f"use {numbers} or sid")
