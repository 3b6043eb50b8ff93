"""Restarts of Synapse under load: ours against the wiki page's nginx site on the same host."""

from __future__ import annotations

from tests.clients.accounts import create_account
from tests.clients.load import Load, Report

from .deploying import Server
from .plain_site import WIKI, other_site
from .rate_limits import without_rate_limits
from .result import Count, Result
from .timing import say


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


def under_load(server: Server, restarts: int) -> Report:
    """What the clients met."""
    load = Load(create_account(server.host, server.as_homeserver(), "load"))
    with load:
        for _ in range(restarts):
            server.host.run("systemctl", "restart", "matrix-synapse")
            load.breathe(2)
    return load.report
