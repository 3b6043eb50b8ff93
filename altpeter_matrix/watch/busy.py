"""What is at work that makes faults of its own for a while, or that upkeep must not run beside."""

from ..base import locks
from ..base.paths import Paths
from ..upgrade import history
from ..upgrade.observation import dpkg_busy


def at_work(paths: Paths) -> str | None:
    """What makes faults of its own, so that they are told to nobody; None: nothing."""
    if dpkg_busy(paths):
        return "apt or dpkg"
    if locks.held(paths, locks.APPLY):
        return "a change of the configuration"
    trial = history.read(paths).trial
    if trial is not None and trial.phase in {"watching", "going back"}:
        return "an upgrade of Synapse"
    return None


def beside_upkeep(paths: Paths) -> str | None:
    """What upkeep must not run beside; None: nothing."""
    if locks.held(paths, locks.BACKUP):
        return "a backup, a drill or a restore"
    return at_work(paths)
