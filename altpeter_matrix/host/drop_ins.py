"""Our drop-ins for Synapse's and nginx's units, which are masked on a server that was there before.

They hold Synapse back until there is a generation and harden both services: neither may happen to
a server that an administrator set up, before it is adopted. A link to /dev/null in /etc takes the
place of a packaged drop-in of the same name (systemd.unit(5)); debian/preinst makes the same ones.
"""

import os
from pathlib import Path

from ..base import disk
from ..base.paths import Paths

_NAME = "50-altpeter-matrix.conf"
_UNITS = ("matrix-synapse", "nginx")


def mask(paths: Paths) -> None:
    """Have both units run as if this package were not there, from their next start on."""
    disk.ensure_directory(paths.state, 0o755)
    disk.replace(_mark(paths), b"", 0o644)
    for link in _links(paths):
        disk.ensure_directory(link.parent, 0o755)
        if not os.path.lexists(link):
            disk.replace_link(link, "/dev/null")


def unmask(paths: Paths) -> bool:
    """Undo `mask`; whether it was masked by us. An administrator's own mask stays."""
    if not _mark(paths).exists():
        return False
    for link in _links(paths):
        if link.is_symlink() and os.readlink(link) == "/dev/null":
            link.unlink()
            if not any(link.parent.iterdir()):
                link.parent.rmdir()
    _mark(paths).unlink()
    return True


def _mark(paths: Paths) -> Path:
    return paths.state / "drop-ins-masked"


def _links(paths: Paths) -> list[Path]:
    system = paths.root / "etc/systemd/system"
    return [system / f"{unit}.service.d" / _NAME for unit in _UNITS]
