"""What the hold costs while nothing happens: our site against itself without it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from tests.clients.accounts import create_account
from tests.clients.load import API, VERSIONS
from tests.hosts.lab import Host, LabError

from .deploying import SERVER_NAME, Server
from .plain_site import SITE, other_site, without_hold
from .rate_limits import without_rate_limits
from .result import Comparison, Result
from .timing import say

# Not slower, but for what a median of some turns varies by.
THROUGHPUT_LIMIT = 1.05
P99_LIMIT = 1.10
SECONDS = 8
CONNECTIONS = 8
KINDS = ("reads", "sends")
SCRIPT = "/root/send.lua"
SEND = """
local number = 0
wrk.headers["Authorization"] = "Bearer {token}"
request = function()
    number = number + 1
    return wrk.format("PUT", "{path}." .. number, nil, '{{"msgtype":"m.text","body":"hello"}}')
end
"""
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def measure(server: Server, pairs: int) -> list[Result]:
    """Time per 1000 requests and the 99th percentile, for reads and writes."""
    with without_rate_limits(server):
        return _compare(server, pairs)


def _compare(server: Server, pairs: int) -> list[Result]:
    host = server.host
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y install wrk >/dev/null 2>&1")
    sender = Sender.of(server)
    site = host.read(SITE)
    sides: dict[str, list[dict[str, tuple[float, float]]]] = {"ours": [], "theirs": []}
    for number in range(pairs):
        for side in ("ours", "theirs") if number % 2 else ("theirs", "ours"):
            with other_site(host, site if side == "ours" else without_hold(site)):
                sides[side].append({kind: wrk(host, kind, sender) for kind in KINDS})
            say(f"normal path {number + 1}/{pairs} {side}: {sides[side][-1]}")
    results: list[Result] = []
    for kind in KINDS:
        for index, (what, unit, limit) in enumerate(
            [("1000 {}", "s", THROUGHPUT_LIMIT), ("p99 of {}", "ms", P99_LIMIT)]
        ):
            ours, theirs = (
                tuple(turn[kind][index] for turn in sides[side]) for side in ("ours", "theirs")
            )
            name = f"{what.format(kind)}, Debian {host.debian}"
            results.append(Comparison(name, ours, theirs, limit, unit))
    return results


@dataclass(frozen=True)
class Sender:
    """Somebody with a room to send messages to."""

    token: str
    room: str

    @classmethod
    def of(cls, server: Server) -> Sender:
        homeserver = server.as_homeserver()
        token = create_account(server.host, homeserver, "path").login()
        made = homeserver.request("POST", f"{API}/createRoom", token=token, body={})
        return cls(token, str(made.expect(200).json["room_id"]))

    def script(self) -> str:
        """For wrk: a message with a transaction ID of its own in each request."""
        path = f"{API}/rooms/{self.room}/send/m.room.message/{secrets.token_hex(4)}"
        return SEND.format(token=self.token, path=path)


def wrk(host: Host, kind: str, sender: Sender) -> tuple[float, float]:
    """Seconds for 1000 requests, and the 99th percentile in milliseconds."""
    options = ["-t1", f"-c{CONNECTIONS}", "--latency", f"https://{SERVER_NAME}{VERSIONS}"]
    if kind == "sends":
        options = ["-s", SCRIPT, *options]
    for seconds in (1, SECONDS):  # the first to warm up
        host.write(SCRIPT, sender.script())
        output = host.run("wrk", f"-d{seconds}s", *options).stdout
    return read_wrk(output)


def read_wrk(output: str) -> tuple[float, float]:
    """The two numbers in what wrk prints."""
    rate = re.search(r"Requests/sec: +([0-9.]+)", output)
    p99 = re.search(r"99% +([0-9.]+)(us|ms|s)", output)
    if not rate or not p99 or re.search("Socket errors|Non-2xx", output):
        raise LabError(f"wrk did not measure:\n{output}")
    return 1000 / float(rate[1]), float(p99[1]) * UNITS[p99[2]]
