"""Base images: a bare Debian host per release, as the lowest layer of every lab host."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

from . import controller
from .commands import CONTAINED, run
from .layout import CACHE, RELEASES, recipe_key
from .progress import step

# What a fresh Debian cloud image brings that the deploy may count on, and what booting needs.
PACKAGES = (
    "ca-certificates",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "openssh-server",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
)
# Runs with the new root as $1. The user is the one that Debian's cloud images have.
CUSTOMIZE = r"""
set -e
systemctl --root="$1" enable systemd-networkd.service
rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*
rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
# Nobody reads the translations of the descriptions, which every apt run would parse.
echo 'Acquire::Languages "none";' > "$1"/etc/apt/apt.conf.d/90lab
: > "$1"/etc/machine-id
rm -f "$1"/var/lib/dbus/machine-id "$1"/etc/hostname "$1"/etc/resolv.conf
chroot "$1" useradd --create-home --shell /bin/bash debian
mkdir -p "$1"/etc/sudoers.d
echo 'debian ALL=(ALL) NOPASSWD:ALL' > "$1"/etc/sudoers.d/90-cloud-init-users
chmod 0440 "$1"/etc/sudoers.d/90-cloud-init-users
"""


@contextmanager
def exclusive(item: str) -> Iterator[None]:
    """Let one process at a time make the cached ``item``; others wait, then find it made."""
    lock = CACHE / "locks" / f"{item}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        flock(held, LOCK_EX)
        yield


def cached(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return ``cache/kind-key``, made by ``make`` in a directory that is renamed when whole."""
    path = CACHE / f"{kind}-{key}"
    if path.is_dir():
        return path
    with exclusive(kind):
        if path.is_dir():
            return path
        unfinished = CACHE / f"{kind}.unfinished"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(parents=True)
        make(unfinished)
        unfinished.rename(path)
    return path


def base_image(debian: str) -> Path:
    """Return the root of a bare host of that release, building it on first use."""
    suite = RELEASES[debian].codename
    sources, options = controller.apt_sources(suite), controller.apt_options()
    key = recipe_key(suite, sources, options, CUSTOMIZE, *PACKAGES)

    def make(target: Path) -> None:
        with step(f"base image of Debian {debian}"):
            _bootstrap(suite, target, sources, options)

    return cached(f"base-{suite}", key, make)


def _bootstrap(suite: str, target: Path, sources: str, options: str) -> None:
    scratch = CACHE / "locks"
    sources_file = scratch / f"{suite}.sources"
    sources_file.write_text(sources)
    hook = scratch / f"{suite}.customize"
    hook.write_text(f"#!/bin/sh\n{CUSTOMIZE}")
    hook.chmod(0o755)
    run(
        *CONTAINED,
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(PACKAGES)}",
        *(f"--aptopt={line}" for line in options.splitlines()),
        "--dpkgopt=force-unsafe-io",
        f"--customize-hook={hook}",
        suite,
        target,
        sources_file,
        timeout=1200,
        log=CACHE / f"base-{suite}.log",
    )
    (target / "etc/apt/sources.list.d/debian.sources").write_text(sources)
    if options:
        (target / "etc/apt/apt.conf.d/90controller").write_text(options)
