"""Disposable Debian hosts on a private bridge, for tests and for ``make demo``.

with Lab.open() as lab:
    alpha = lab.host("alpha", debian="13", dns=["matrix.alpha.test"])
    alpha.run("apt-get", "update")
"""

from __future__ import annotations

from .commands import CommandError, Result
from .disk import Scarce
from .errors import LabError, LabUnavailable
from .host import Host
from .lab import Lab
from .leftovers import clean
from .prepare import Needs
from .requirements import require
from .services import Services
from .snapshots import Snapshot

__all__ = [
    "CommandError",
    "Host",
    "Lab",
    "LabError",
    "LabUnavailable",
    "Needs",
    "Result",
    "Scarce",
    "Services",
    "Snapshot",
    "clean",
    "require",
]
