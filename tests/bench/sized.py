"""What it is worth that PostgreSQL and Synapse are sized to the machine: with and without it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import yaml

from tests.clients.accounts import create_account
from tests.hosts.lab import Host

from .deploying import Server
from .normal_path import CONNECTIONS, Turn, read_wrk
from .rate_limits import without_rate_limits
from .result import Comparison, Count, Result
from .timing import say

API = "/_matrix/client/v3"
SETTINGS = "/etc/altpeter-matrix/settings.yaml"
# As a small server is rented: the lab's hosts would each take all of the controller for theirs.
SIDES: Mapping[str, Mapping[str, object]] = {
    "ours": {"memory": "4G"},
    "theirs": {"enabled": False},
}
ROOMS = 60
SECONDS = 10
SCRIPT = "/root/sized.lua"
HEAD = """
local number = 0
wrk.headers["Authorization"] = "Bearer {token}"
request = function()
    number = number + 1
"""
SEND = """
    local room = ({{ {rooms} }})[number % {count} + 1]
    return wrk.format("PUT", "{api}/rooms/" .. room .. "/send/m.room.message/{run}" .. number, nil,
        '{{"msgtype":"m.text","body":"hello"}}')
end
"""
# A filter of its own each time: Synapse keeps an answer for two minutes.
SYNC = """
    return wrk.format("GET", "{api}/sync?timeout=0&set_presence=offline&filter=" ..
        "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A10%7D%7D%2C%22x.{run}%22%3A" ..
        number .. "%7D")
end
"""
PROCESSES = {
    "Synapse": "systemctl show -P MainPID matrix-synapse",
    # What is shared is counted once (Pss).
    "PostgreSQL": "pgrep -u postgres",
}


@dataclass(frozen=True)
class Reader:
    """Somebody in many rooms."""

    token: str
    rooms: tuple[str, ...]

    @classmethod
    def of(cls, server: Server) -> Reader:
        homeserver = server.as_homeserver()
        token = create_account(server.host, homeserver, "sized").login()
        made = [
            homeserver.request("POST", f"{API}/createRoom", token=token, body={}).expect(200)
            for _ in range(ROOMS)
        ]
        return cls(token, tuple(str(one.json["room_id"]) for one in made))

    def script(self, body: str) -> str:
        rooms = ", ".join(f'"{room}"' for room in self.rooms)
        text = f"{HEAD}{body}"
        return text.format(
            token=self.token, api=API, run=secrets.token_hex(4), rooms=rooms, count=ROOMS
        )


def measure(server: Server, short: bool) -> list[Result]:
    """Sends, and `/sync` from the beginning, in each way; then the memory of both programs."""
    host = server.host
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y install wrk >/dev/null 2>&1")
    turns: dict[tuple[str, str], list[Turn]] = {}
    memory: dict[tuple[str, str], list[float]] = {}
    with without_rate_limits(server), sizing_of(server):
        reader = Reader.of(server)
        for number in range(1 if short else 4):
            for side in sorted(SIDES, reverse=bool(number % 2)):
                resize(host, SIDES[side])
                asked = {kind: asks(server, reader, kind, SECONDS / 4) for kind in KINDS}
                for kind in KINDS:
                    asked[kind] = asks(server, reader, kind, SECONDS)
                    turns.setdefault((kind, side), []).append(asked[kind])
                for program, megabytes in resident(host).items():
                    memory.setdefault((program, side), []).append(megabytes)
                said = ", ".join(
                    f"{kind} {a:.2f} s, p99 {b:.0f} ms" for kind, (a, b) in asked.items()
                )
                say(f"sized, round {number + 1}, {side}: {said}, {resident(host)}")
    return results(host.debian, turns, memory)


KINDS = {"sends": SEND, "syncs": SYNC}


def results(
    debian: str,
    turns: Mapping[tuple[str, str], list[Turn]],
    memory: Mapping[tuple[str, str], list[float]],
) -> list[Result]:
    """For information: what it is worth depends on what the machine lacks."""
    found: list[Result] = []
    for kind in KINDS:
        for index, (what, unit) in enumerate(((f"1000 {kind}", "s"), (f"p99 of {kind}", "ms"))):
            ours, theirs = (tuple(turn[index] for turn in turns[kind, side]) for side in SIDES)
            name = f"{what}, sized, Debian {debian}"
            found.append(Comparison(name, ours, theirs, None, unit))
    for program in PROCESSES:
        ours, theirs = (tuple(memory[program, side]) for side in SIDES)
        name = f"memory of {program} after these, sized, Debian {debian}"
        found.append(Count(name, ours, None, theirs, "MB"))
    return found


def asks(server: Server, reader: Reader, kind: str, seconds: float) -> Turn:
    server.host.write(SCRIPT, reader.script(KINDS[kind]))
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--latency", "-s", SCRIPT]
    place = f"https://{server.as_homeserver().server_name}/"
    return read_wrk(server.host.run("wrk", *options, place).stdout)


def resident(host: Host) -> dict[str, float]:
    """Memory in MB, by program."""
    return {
        program: int(
            host.sh(
                f"for p in $({pids}); do grep ^Pss: /proc/$p/smaps_rollup || true; done"
                " | awk '{ sum += $2 } END { print sum }'"
            ).stdout
        )
        / 1024
        for program, pids in PROCESSES.items()
    }


def resize(host: Host, sizing: Mapping[str, object]) -> None:
    """Have both programs start with these sizes, or none."""
    settings = yaml.safe_load(host.read(SETTINGS))
    host.write(SETTINGS, yaml.safe_dump({**settings, "sizing": dict(sizing)}))
    host.run("altpeter-matrix", "apply")


@contextmanager
def sizing_of(server: Server) -> Iterator[None]:
    """The settings as they are now, afterwards."""
    before = server.host.read(SETTINGS)
    try:
        yield
    finally:
        server.host.write(SETTINGS, before)
        server.host.run("altpeter-matrix", "apply")
