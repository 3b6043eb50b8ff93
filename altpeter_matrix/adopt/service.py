"""Synapse's package and unit on a hand-made server: whether they are those that can be taken over.

What is read, carried and compared are the files of Synapse's package. A unit that was changed to
start Synapse with others, or a package that dpkg has not finished, would make that another server
than the one that runs.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from ..apply.services import SYNAPSE, UNITS
from ..base.accounts import SYNAPSE_USER
from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..host.facts import Synapse

_UNIT = UNITS[SYNAPSE]
_REMEDY = (
    f"take that out of the unit (see `systemctl cat {_UNIT}`; `systemctl edit`), put its options"
    " into a file in /etc/matrix-synapse/conf.d, restart Synapse, then adopt"
)
_FINISHED = ("installed", "triggers-awaited", "triggers-pending")


def require_whole(synapse: Synapse) -> None:
    """HostError when dpkg is in the middle of something: nothing that is read then counts."""
    shown = run(
        "dpkg-query", "--show", "--showformat=${db:Status-Status}", synapse.package, check=False
    )
    if shown.stdout not in _FINISHED:
        raise HostError(
            Problem(
                synapse.package, f"is not wholly installed (dpkg says: {shown.stdout})",
                "run `dpkg --force-confold --configure -a`, which finishes it and keeps every"
                " edited file, then adopt",
            )
        )  # fmt: skip


def problems(paths: Paths) -> list[Problem]:
    """What was changed in the unit that cannot be carried over."""
    if not paths.systemd_running.is_dir():
        return []
    shown = run("systemctl", "show", "--property=ExecStart,User", _UNIT, check=False)
    return list(unit_problems(shown.stdout))


def unit_problems(shown: str) -> Iterator[Problem]:
    """shown: what `systemctl show` prints of the unit's ExecStart and User."""
    properties = dict(line.partition("=")[::2] for line in shown.splitlines())
    command = re.search(r"argv\[\]=(.*?) ;", properties.get("ExecStart", ""))
    words = command[1].replace("=", " ").split() if command else []
    read = [after.rstrip("/") for word, after in pairwise(words)
            if word in {"-c", "--config-path"}]  # fmt: skip
    if read != ["/etc/matrix-synapse/homeserver.yaml", "/etc/matrix-synapse/conf.d"]:
        yield Problem(
            f"{_UNIT}: ExecStart", f"starts Synapse with {' and '.join(read) or 'other files'}",
            _REMEDY,
        )  # fmt: skip
    if properties.get("User") != SYNAPSE_USER:
        yield Problem(f"{_UNIT}: User", f"is {properties.get('User') or 'root'}", _REMEDY)
