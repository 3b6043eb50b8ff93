"""What the hold costs while nothing happens: our site against itself without it."""

from __future__ import annotations

import re

from tests.hosts.lab import LabError

from .deploying import SERVER_NAME, Server
from .plain_site import SITE, other_site, without_hold
from .result import Comparison, Result
from .timing import say

THROUGHPUT_LIMIT = 1.05
P99_LIMIT = 1.10
SECONDS = 6
CONNECTIONS = 16
# A read, and a write (refused for want of a token: as little of Synapse's own time as possible).
REQUESTS = {
    "reads": "/_matrix/client/versions",
    "writes": "/_matrix/client/v3/keys/query",
}
SCRIPT = 'wrk.method = "POST"\nwrk.body = "{}"\n'
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def measure(server: Server, pairs: int) -> list[Result]:
    """Time per 1000 requests and the 99th percentile, for reads and writes."""
    host = server.host
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y install wrk >/dev/null 2>&1")
    host.write("/root/post.lua", SCRIPT)
    site = host.read(SITE)
    sides: dict[str, list[dict[str, tuple[float, float]]]] = {"ours": [], "theirs": []}
    for number in range(pairs):
        for side in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            with other_site(host, site if side == "ours" else without_hold(site)):
                sides[side].append({kind: wrk(server, kind) for kind in REQUESTS})
            say(f"normal path {number + 1}/{pairs} {side}: {sides[side][-1]}")
    results: list[Result] = []
    for kind in REQUESTS:
        for index, (what, unit, limit) in enumerate(
            [("1000 {}", "s", THROUGHPUT_LIMIT), ("p99 of {}", "ms", P99_LIMIT)]
        ):
            ours, theirs = (
                tuple(turn[kind][index] for turn in sides[side]) for side in ("ours", "theirs")
            )
            name = f"{what.format(kind)}, Debian {host.debian}"
            results.append(Comparison(name, ours, theirs, limit, unit))
    return results


def wrk(server: Server, kind: str) -> tuple[float, float]:
    """Seconds for 1000 requests, and the 99th percentile in milliseconds."""
    script = ["-s", "/root/post.lua"] if kind == "writes" else []
    url = f"https://{SERVER_NAME}{REQUESTS[kind]}"
    options = ["-t1", f"-c{CONNECTIONS}", "--latency", *script, url]
    server.host.run("wrk", "-d1s", *options)  # warm
    return read_wrk(server.host.run("wrk", f"-d{SECONDS}s", *options).stdout)


def read_wrk(output: str) -> tuple[float, float]:
    """The two numbers in what wrk prints."""
    rate = re.search(r"Requests/sec: +([0-9.]+)", output)
    p99 = re.search(r"99% +([0-9.]+)(us|ms|s)", output)
    if not rate or not p99 or "Socket errors" in output:
        raise LabError(f"wrk did not measure:\n{output}")
    return 1000 / float(rate[1]), float(p99[1]) * UNITS[p99[2]]
