"""What a waiting client costs: the memory of nginx and Synapse with 2000 idle long polls."""

from __future__ import annotations

from tests.clients.accounts import create_account
from tests.clients.polls import Polls
from tests.hosts.lab import Host
from tests.hosts.lab.network import GATEWAY

from .deploying import Server
from .rate_limits import without_rate_limits
from .result import Count, Result

CLIENTS = 2000
# In kB. A connection with TLS, one to Synapse, and the request there; measured: 31 and 23.
LIMITS = {"nginx": 60.0, "Synapse": 60.0}
PROCESSES = {
    "nginx": "pgrep -f '^nginx: worker process$'",
    "Synapse": "systemctl show -P MainPID matrix-synapse",
}


def measure(server: Server) -> list[Result]:
    """Memory per client, above what both have without."""
    subnet = server.host.identity.subnet
    pairs = [
        (subnet.ipv4(GATEWAY), server.host.ipv4),
        (subnet.ipv6(GATEWAY), server.host.ipv6),
    ]
    with without_rate_limits(server):
        account = create_account(server.host, server.as_homeserver(), "crowd")
        tokens = [account.login() for _ in range(3)]
        with Polls(server.as_homeserver(), tokens, 20, pairs):
            before = memory(server.host)
        with Polls(server.as_homeserver(), tokens, CLIENTS, pairs):
            during = memory(server.host)
    return [
        Count(
            f"a waiting client in {name}, Debian {server.host.debian}",
            ((during[name] - before[name]) / (CLIENTS - 20),),
            limit,
            unit="kB",
        )
        for name, limit in LIMITS.items()
    ]


def memory(host: Host) -> dict[str, int]:
    """Resident memory in kB, by program."""
    return {
        name: int(
            host.sh(
                f"for p in $({pids}); do grep Rss: /proc/$p/smaps_rollup; done"
                " | awk '{ sum += $2 } END { print sum }'"
            ).stdout
        )
        for name, pids in PROCESSES.items()
    }
