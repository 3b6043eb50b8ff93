"""Overlay layers: mount a stack of them, or make a new one by running a script on top."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from .commands import CONTAINED, run

# Runs `CONTAINED`, as root, with ROOT and OPTIONS in the environment and the script on stdin.
ENTER = r"""
set -e
mount -t overlay overlay -o "$OPTIONS" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /sys "$ROOT/sys"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/run"
mount -t tmpfs tmpfs "$ROOT/tmp"
cp /etc/resolv.conf "$ROOT/run/resolv.conf"
[ -e "$ROOT/etc/resolv.conf" ] || : > "$ROOT/etc/resolv.conf"
mount --bind "$ROOT/run/resolv.conf" "$ROOT/etc/resolv.conf"
@binds@
printf '#!/bin/sh\nexit 101\n' > "$ROOT/tmp/policy-rc.d"
chmod 0755 "$ROOT/tmp/policy-rc.d"
: > "$ROOT/usr/sbin/policy-rc.d"
mount --bind "$ROOT/tmp/policy-rc.d" "$ROOT/usr/sbin/policy-rc.d"
cat > "$ROOT/tmp/script"
status=0
chroot "$ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive @env@ /bin/sh -e /tmp/script < /dev/null || status=$?
umount "$ROOT/usr/sbin/policy-rc.d" "$ROOT/etc/resolv.conf"
rm -f "$ROOT/usr/sbin/policy-rc.d"
[ -s "$ROOT/etc/resolv.conf" ] || rm -f "$ROOT/etc/resolv.conf"
exit "$status"
"""


def overlay_options(lowers: Sequence[Path], upper: Path, work: Path) -> str:
    """Return the mount options of a stack; ``lowers`` begins with the topmost."""
    # redirect_dir lets a host rename directories of lower layers, as on a real file system.
    # volatile has the kernel write to the disk when it likes, whatever a host calls fsync for: its
    # power cuts leave the kernel, and with it all that was written, alive.
    stack = ":".join(map(str, lowers))
    return (
        f"lowerdir={stack},upperdir={upper},workdir={work},redirect_dir=on,index=off,metacopy=off"
        ",volatile"
    )


def mount(lowers: Sequence[Path], upper: Path, work: Path, root: Path) -> None:
    """Mount the stack at ``root``."""
    options = overlay_options(lowers, upper, work)
    run("mount", "-t", "overlay", "overlay", "-o", options, root)


def run_in_layer(
    lowers: Sequence[Path],
    upper: Path,
    script: str,
    *,
    log: Path,
    binds: Mapping[Path, Path] | None = None,
    writable_binds: Mapping[Path, Path] | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 1800,
) -> None:
    """Run a shell script, with the controller's network, in a chroot that writes to ``upper``."""
    scratch = upper.with_name(f"{upper.name}.scratch")
    root, work = scratch / "root", scratch / "work"
    for directory in (upper, root, work):
        directory.mkdir(parents=True, exist_ok=True)
    mounts = [_bind(*pair, "ro") for pair in (binds or {}).items()]
    mounts += [_bind(*pair, "rw") for pair in (writable_binds or {}).items()]
    words = [f"{name}={value}" for name, value in (env or {}).items()]
    enter = ENTER.replace("@binds@", "\n".join(mounts)).replace("@env@", shlex.join(words))
    try:
        run(
            *CONTAINED,
            *("/usr/bin/env", f"ROOT={root}", f"OPTIONS={overlay_options(lowers, upper, work)}"),
            *("/bin/sh", "-c", enter),
            input=script,
            log=log,
            timeout=timeout,
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _bind(source: Path, target: Path, mode: str) -> str:
    inside = f'"$ROOT"{shlex.quote(str(target))}'
    make = f"mkdir -p {inside}"
    if not source.is_dir():
        make = f'mkdir -p "$(dirname {inside})" && touch {inside}'
    there = shlex.quote(str(source))
    return f"{make}\nmount --bind {there} {inside}\nmount -o remount,bind,{mode} {inside}"
