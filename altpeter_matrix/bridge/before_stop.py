"""Before Synapse is told to stop: hold new requests back, let it finish what it is doing.

At SIGTERM Synapse drops every connection at once: a login or a new room may then exist though
nobody was told. Run by the unit's ExecStop, so before every stop and restart, whoever asks for it.
What only reads needs no waiting: nginx sends it again to the next process.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..base.paths import CURRENT

# nginx sends nothing new to Synapse while this exists.
HELD = "/run/altpeter-matrix/held"
# Where nginx's connections for writes come from.
WRITE_SOURCE = "127.0.8.1"

# Seconds. The joining of a large remote room may take longer, and everybody else waits meanwhile.
WRITES_END_WITHIN = 15.0
# An answer that has begun cannot be sent again; a slow client's download may take for ever.
TRANSFERS_END_WITHIN = 5.0
_LOOK_EVERY = 0.05
# A request that had just passed nginx's look at HELD needs a moment to show up.
_QUIET_LOOKS = 4

_SYN_SENT_OR_ESTABLISHED = {"01", "02"}


@dataclass(frozen=True)
class Connection:
    """A line of /proc/net/tcp; addresses as the kernel writes them there."""

    local: str
    remote: str
    state: str
    queued: bool  # bytes that the other end has not taken yet


def connections(table: str) -> Iterator[Connection]:
    """The connections in the text of /proc/net/tcp."""
    for line in table.splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        yield Connection(local, remote, state, queues != "00000000:00000000")


def writes_open(table: str) -> bool:
    """Does Synapse still work on a request that must not be sent twice?"""
    source = _kernel_address(WRITE_SOURCE)
    return any(
        one.local.startswith(f"{source}:") and one.state in _SYN_SENT_OR_ESTABLISHED
        for one in connections(table)
    )


def transfers_open(table: str, port: int) -> bool:
    """Is an answer of Synapse on its way that nginx has not taken completely?"""
    synapse = f"{_kernel_address('127.0.0.1')}:{port:04X}"
    return any(
        synapse in {one.local, one.remote} and one.queued and one.state in _SYN_SENT_OR_ESTABLISHED
        for one in connections(table)
    )


def _kernel_address(address: str) -> str:
    """`127.0.0.1` as /proc/net/tcp has it on this machine."""
    packed = bytes(int(part) for part in address.split("."))
    return f"{int.from_bytes(packed, sys.byteorder):08X}"


def drain(port: int, held: Path = Path(HELD), table: Path = Path("/proc/net/tcp")) -> None:
    """Return once nothing is in flight that a stop would lose, or when it takes too long."""
    held.touch()
    begun = time.monotonic()
    quiet = 0
    while quiet < _QUIET_LOOKS:
        time.sleep(_LOOK_EVERY)
        waited = time.monotonic() - begun
        text = table.read_text(encoding="ascii")
        busy = (waited < WRITES_END_WITHIN and writes_open(text)) or (
            waited < TRANSFERS_END_WITHIN and transfers_open(text, port)
        )
        quiet = 0 if busy else quiet + 1


def synapse_port(environment: Path) -> int:
    """The port in the current generation's hold.env; Synapse's usual one without it."""
    try:
        return int(environment.read_text(encoding="ascii").partition("=")[2])
    except (OSError, ValueError):
        return 8008


if __name__ == "__main__":
    drain(synapse_port(CURRENT / "nginx/hold.env"))
