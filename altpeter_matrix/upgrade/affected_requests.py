"""How many requests an upgrade made wait or fail, as nginx and the hold have noted it."""

import calendar
import re
import time
from dataclasses import dataclass

from ..base.commands import run
from ..base.errors import HostError
from ..base.paths import Paths
from ..base.timestamps import epoch

_HOLD = "altpeter-matrix-hold.service"
_RELEASED = re.compile(r"^released (\d+) request")
# Debian's log format, "combined".
_LINE = re.compile(r'^\S+ \S+ .*? \[([^\]]+)\] "\S+ (/\S*) [^"]*" (\d{3}) ')
# Of a busy server's log, enough for some minutes.
_MOST_READ = 64 * 1024**2
_OURS = ("/_matrix/", "/_synapse/client/")


@dataclass(frozen=True)
class Requests:
    """None: unknown."""

    held: int | None
    failed: int | None


def between(paths: Paths, began: str, ended: str) -> Requests:
    """The requests between two of our UTC times, ends included."""
    return Requests(_held(began), _failed(paths, epoch(began), epoch(ended)))


def _held(began: str) -> int | None:
    """What the hold said that it released. It speaks some seconds after the last one."""
    try:
        shown = run(
            "journalctl", f"--unit={_HOLD}", f"--since=@{epoch(began)}", "--output=cat",
            "--no-pager", "--quiet", check=False,
        )  # fmt: skip
    except HostError:
        return None
    if not shown.ok:
        return None
    matches = (_RELEASED.match(line) for line in shown.stdout.splitlines())
    return sum(int(found.group(1)) for found in matches if found)


def _failed(paths: Paths, began: int, ended: int) -> int | None:
    """Answers 500 to 599 in nginx's usual log; None when there is none (any more)."""
    try:
        with (paths.root / "var/log/nginx/access.log").open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - _MOST_READ))
            lines = (line.decode(errors="replace") for line in log)
            return sum(_is_failure(line, began, ended) for line in lines)
    except OSError:
        return None


def _is_failure(line: str, began: int, ended: int) -> bool:
    found = _LINE.match(line)
    if found is None or not found.group(3).startswith("5") or not found.group(2).startswith(_OURS):
        return False
    try:
        at = time.strptime(found.group(1), "%d/%b/%Y:%H:%M:%S %z")
    except ValueError:
        return False
    return began <= calendar.timegm(at) - (at.tm_gmtoff or 0) <= ended
