"""That there is one Synapse: two on one database destroy it. What other hosts do there, PostgreSQL
tells."""

import os
from collections.abc import Iterator
from pathlib import Path

from ...apply.services import SYNAPSE, UNITS
from ..check import Check
from ..found import Found, found
from ..view import View

_MAIN = "synapse.app.homeserver"


def processes(view: View) -> Iterator[Found]:
    """A second main process with this server's configuration, as one that was started by hand."""
    configuration = str(view.paths.synapse)
    for name in sorted(filter(str.isdigit, os.listdir("/proc"))):
        process = Path("/proc", name)
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            group = (process / "cgroup").read_text("utf-8")
        except OSError:
            continue  # it has ended
        if (
            _MAIN in words
            and any(configuration in one for one in words)
            and not any(one.startswith("--generate") for one in words)
            and f"/{UNITS[SYNAPSE]}" not in group
        ):
            yield found("second-synapse", process=name)


CHECKS = (Check("one Synapse", processes, ("second-synapse",)),)
