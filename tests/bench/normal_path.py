"""What the hold costs while nothing happens: our site against itself without it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from itertools import cycle, permutations
from statistics import geometric_mean

from tests.clients.accounts import create_account
from tests.clients.load import API, VERSIONS
from tests.hosts.lab import Host, LabError

from .deploying import SERVER_NAME, Server
from .plain_site import SITE, beside_ours, under_name, without_hold
from .rate_limits import without_rate_limits
from .result import PairedComparison, Result
from .timing import say

# Not slower, but for what a median of some turns varies by.
THROUGHPUT_LIMIT = 1.05
P99_LIMIT = 1.10
# Short turns, so that what else goes on in the machine touches all sides. wrk's connections are
# anew in each: which of nginx's processes gets how many of them is a matter of luck.
SECONDS = {"reads": 2, "sends": 8}
# Whole sets of the orders below; a send takes so long that a short turn has no 99th percentile.
ROUNDS = {"reads": 30, "sends": 24}
CONNECTIONS = 8
# The site without the hold is there twice: ours is compared with their mean, which varies
# less than one of them, and what they differ by is what this measurement itself varies by.
NAMES = {"ours": SERVER_NAME, "theirs": "plain1.bench.test", "again": "plain2.bench.test"}
ORDERS = tuple(permutations(NAMES))
SCRIPT = "/root/send.lua"
SEND = """
local number = 0
wrk.headers["Authorization"] = "Bearer {token}"
request = function()
    number = number + 1
    return wrk.format("PUT", "{path}." .. number, nil, '{{"msgtype":"m.text","body":"hello"}}')
end
"""
Turn = tuple[float, float]
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def measure(server: Server, short: bool) -> list[Result]:
    """Time per 1000 requests and the 99th percentile, for reads and writes."""
    host = server.host
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y install wrk >/dev/null 2>&1")
    plain = without_hold(host.read(SITE))
    others = [name for name in NAMES.values() if name != SERVER_NAME]
    for name in others:
        server.lab.dns(name, host)
    with (
        without_rate_limits(server),
        beside_ours(host, "".join(under_name(plain, name) for name in others)),
    ):
        sender = Sender.of(server)
        turns = {
            kind: _take_turns(host, kind, sender, len(ORDERS) if short else rounds)
            for kind, rounds in ROUNDS.items()
        }
    return [result for kind in ROUNDS for result in results(host.debian, kind, turns[kind])]


def _take_turns(host: Host, kind: str, sender: Sender, rounds: int) -> dict[str, list[Turn]]:
    for name in NAMES.values():
        wrk(host, kind, sender, name)  # to warm up
    turns: dict[str, list[Turn]] = {side: [] for side in NAMES}
    for number, order in zip(range(1, rounds + 1), cycle(ORDERS), strict=False):
        for side in order:
            turns[side].append(wrk(host, kind, sender, NAMES[side]))
        took = ", ".join(
            f"{side} {turns[side][-1][0]:.3f} s, p99 {turns[side][-1][1]:.1f} ms" for side in NAMES
        )
        say(f"normal path, {kind} {number}/{rounds}: {took}")
    return turns


def results(debian: str, kind: str, turns: dict[str, list[Turn]]) -> list[Result]:
    """Ours against the site without the hold, and that against itself."""
    compared: list[Result] = []
    for what, unit, limit, index in (
        (f"1000 {kind}", "s", THROUGHPUT_LIMIT, 0),
        (f"p99 of {kind}", "ms", P99_LIMIT, 1),
    ):
        ours, theirs, again = (tuple(turn[index] for turn in turns[side]) for side in NAMES)
        name = f"{what}, Debian {debian}"
        without = tuple(map(geometric_mean, zip(theirs, again, strict=True)))
        compared += [
            PairedComparison(name, ours, without, limit, unit),
            PairedComparison(f"{name}, without the hold twice", again, theirs, None, unit),
        ]
    return compared


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


def wrk(host: Host, kind: str, sender: Sender, name: str) -> Turn:
    """Seconds for 1000 requests, and the 99th percentile in milliseconds."""
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{SECONDS[kind]}s", "--latency"]
    if kind == "sends":
        host.write(SCRIPT, sender.script())
        options += ["-s", SCRIPT]
    return read_wrk(host.run("wrk", *options, f"https://{name}{VERSIONS}").stdout)


def read_wrk(output: str) -> Turn:
    """The two numbers in what wrk prints."""
    rate = re.search(r"Requests/sec: +([0-9.]+)", output)
    p99 = re.search(r"99% +([0-9.]+)(us|ms|s)", output)
    if not rate or not p99 or re.search("Socket errors|Non-2xx", output):
        raise LabError(f"wrk did not measure:\n{output}")
    return 1000 / float(rate[1]), float(p99[1]) * UNITS[p99[2]]
