"""What a repository needs besides new backups."""

import time
from collections.abc import Callable

from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..host import backup_record
from ..settings.model import Keep
from . import catalogue
from .restic import Restic

Say = Callable[[str], None]

# In a quarter of a year, all of it.
_PART = "7%"
# Of the newest one: a backup from before an upgrade must not go with the next of that day.
_ALL_WITHIN = "2d"


def forget(restic: Restic, keep: Keep, machine: str) -> None:
    """Leave out the backups of this host that nobody wants any more. Those of another stay."""
    restic.run(
        "forget", "--tag", f"{catalogue.MARK},{catalogue.FILES}", "--host", machine,
        "--group-by", "host", "--keep-within", _ALL_WITHIN, "--keep-daily", str(keep.daily),
        *(("--keep-weekly", str(keep.weekly)) if keep.weekly else ()),
        *(("--keep-monthly", str(keep.monthly)) if keep.monthly else ()),
    )  # fmt: skip
    if left := catalogue.left_over(catalogue.snapshots(restic), machine):
        restic.run("forget", *left)


def prune(restic: Restic, say: Say) -> None:
    """Remove what no backup needs."""
    say("Removing what no backup needs any more.")
    restic.run("prune")


def verify(paths: Paths, restic: Restic, say: Say, *, everything: bool = False) -> None:
    """Read a part of the data and see whether it is what was written; HostError when it is not.
    What was found is noted."""
    say("Checking the repository.")
    found: Problem | None = None
    try:
        restic.run("check", "--read-data" if everything else f"--read-data-subset={_PART}")
    except HostError as error:
        found = error.problems[0]
        raise
    finally:
        record = backup_record.read(paths)
        unverified = backup_record.texts(found)
        backup_record.write(paths, record.but(verified=time.time(), unverified=unverified))
