"""What a controller needs for the lab; scripts/bootstrap.sh installs it."""

from __future__ import annotations

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
