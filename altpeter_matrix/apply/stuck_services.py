"""What of this package runs by itself and does not end, though systemd should have ended it."""

import time
from collections.abc import Iterator, Mapping

from ..base.commands import run
from ..base.errors import Problem
from .services import GATE

# What runs by itself, and the seconds after which systemd ends it (files/systemd/), with two
# minutes more for the end itself. The health gate goes on where it was.
_ENDS_WITHIN: Mapping[str, float] = {
    "altpeter-matrix-upgrade-check.service": 20 * 60 + 120,
    "altpeter-matrix-watch.service": 10 * 60 + 120,
    "altpeter-matrix-nginx-main.service": 90 + 120,
    "altpeter-matrix-usage.service": 2 * 3600 + 120,
    "altpeter-matrix-hold.service": 2 * 3600 + 120,
    GATE: 12 * 3600 + 120,
}


def stuck() -> Iterator[Problem]:
    """Programs of ours that run for longer than systemd lets them, so it cannot end them."""
    shown = run(
        "systemctl", "show", "--property=Id,ActiveState,InactiveExitTimestampMonotonic",
        *_ENDS_WITHIN, timeout=30,
    )  # fmt: skip
    for block in shown.stdout.strip().split("\n\n"):
        found = dict(line.partition("=")[::2] for line in block.splitlines())
        since = int(found.get("InactiveExitTimestampMonotonic") or 0) / 1e6
        seconds = time.clock_gettime(time.CLOCK_MONOTONIC) - since
        name, state = found.get("Id", ""), found.get("ActiveState", "inactive")
        if state in {"inactive", "failed"} or not since or name not in _ENDS_WITHIN:
            continue
        if seconds > _ENDS_WITHIN[name]:
            yield Problem(
                name,
                f"is {state} for more than {_ENDS_WITHIN[name] / 60:.0f} minutes, and should have"
                " ended",
                f"read `systemctl status {name}`, then `systemctl kill -s KILL {name}`",
            )  # fmt: skip
