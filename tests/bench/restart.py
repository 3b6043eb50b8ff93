"""Restarts of Synapse under load: ours against the wiki page's nginx site on the same host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from tests.clients.accounts import create_account
from tests.clients.homeserver import Homeserver
from tests.clients.load import Load, Report

from .deploying import SERVER_NAME, Server
from .plain_site import WIKI, other_site
from .result import Count, Result
from .timing import say

ADDITION = "/etc/altpeter-matrix/synapse.d/bench.yaml"
OFTEN = {"per_second": 1000, "burst_count": 10000}
UNLIMITED = {
    "rc_login": {"address": OFTEN, "account": OFTEN},
    "rc_message": OFTEN,
    "rc_room_creation": OFTEN,
}


def measure(server: Server, restarts: int) -> list[Result]:
    """Failed requests, longest wait and time without service, over some restarts of each."""
    with without_rate_limits(server):
        ours = under_load(server, restarts)
        with other_site(server.host, WIKI):
            theirs = under_load(server, restarts)
    name = f"{restarts} restarts, Debian {server.host.debian}"
    say(f"{name}, ours: {ours}")
    say(f"{name}, wiki page: {theirs}")
    return [
        Count(f"{name}: failed requests", (len(ours.failures),), 0, (len(theirs.failures),)),
        Count(f"{name}: requests", (len(ours.samples),), None, (len(theirs.samples),)),
        Count(
            f"{name}: longest wait",
            (ours.longest_wait,),
            theirs=(theirs.longest_wait,),
            unit="s",
        ),
        Count(
            f"{name}: longest time without an answer",
            (ours.longest_gap,),
            theirs=(theirs.longest_gap,),
            unit="s",
        ),
    ]


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


def under_load(server: Server, restarts: int) -> Report:
    """What the clients met."""
    homeserver = Homeserver(SERVER_NAME, SERVER_NAME, server.host.ipv4, server.lab.ca_file)
    load = Load(create_account(server.host, homeserver, "load"))
    with load:
        for _ in range(restarts):
            server.host.run("systemctl", "restart", "matrix-synapse")
            load.breathe(2)
    return load.report
