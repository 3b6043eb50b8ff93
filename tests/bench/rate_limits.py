"""Measuring Synapse without the limits that it sets to what one address or user may ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from .deploying import Server

ADDITION = "/etc/altpeter-matrix/synapse.d/bench.yaml"
OFTEN = {"per_second": 1000, "burst_count": 10000}
UNLIMITED = {
    "rc_login": {"address": OFTEN, "account": OFTEN},
    "rc_message": OFTEN,
    "rc_room_creation": OFTEN,
}


@contextmanager
def without_rate_limits(server: Server) -> Iterator[None]:
    """Let one address and one user ask as often as a whole server's users."""
    server.host.write(ADDITION, yaml.safe_dump(UNLIMITED))
    server.host.run("altpeter-matrix", "apply")
    try:
        yield
    finally:
        server.host.run("rm", ADDITION)
        server.host.run("altpeter-matrix", "apply")
