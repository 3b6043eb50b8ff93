"""What a controller needs for the lab; scripts/bootstrap.sh installs the packages."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import cgroups
from .commands import run
from .errors import LabUnavailable

PACKAGES = (
    "ca-certificates",
    "debian-archive-keyring",
    "iproute2",
    "mmdebstrap",
    "nftables",
    "openssh-client",
    "openssl",
    "procps",
    "systemd-container",
    "util-linux",
    "zstd",
)
PROGRAMS = ("ip", "mmdebstrap", "mount", "nft", "openssl", "setpriv", "ssh", "systemd-nspawn")


def require() -> None:
    """Raise `LabUnavailable`, in one line, if this machine cannot run lab hosts."""
    if os.geteuid() != 0:
        raise LabUnavailable("the lab needs root: it boots Debian hosts with systemd-nspawn")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise LabUnavailable(
            f"the lab needs {', '.join(missing)}: apt-get install {' '.join(PACKAGES)}"
        )
    cgroups.hierarchies()
    if run("unshare", "--mount", "true", check=False).returncode != 0:
        raise LabUnavailable("the lab needs to mount file systems, which this machine forbids root")
    if shutil.which("modprobe"):
        run("modprobe", "overlay", check=False)
    if "overlay" not in Path("/proc/filesystems").read_text():
        raise LabUnavailable("the lab needs the overlay file system, which this kernel lacks")
