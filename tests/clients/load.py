"""Many clients at once, each request noted: for tests that interrupt the server meanwhile.

Each request has a connection of its own, so none can be excused by a kept connection that the
server was just closing, and nothing is sent twice: what fails, fails. Bounded in requests and time.
"""

import asyncio
import itertools
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import aiohttp

from tests.clients.accounts import Account

VERSIONS = "/_matrix/client/versions"
API = "/_matrix/client/v3"
# "sync" ends at each message; nothing that the other clients do ends "poll".
FILTERS = {
    "sync": '{"room":{"timeline":{"limit":1}},"presence":{"types":[]}}',
    "poll": '{"room":{"rooms":[]},"presence":{"types":[]}}',
}
# Of each kind that is sent: how many clients, and how many seconds each pauses between two.
CLIENTS: Mapping[str, tuple[int, float]] = {
    "get": (5, 0.15),
    "send": (6, 0.2),
    "login": (3, 0.6),
    "keys": (3, 0.3),
    "room": (2, 0.8),
    "sync": (3, 0.05),
    "poll": (3, 0.05),
}
LONG_POLL_MS = 5000
# Synapse keeps no more than 500 one-time keys of a device; one that it has may be sent again.
MOST_KEYS = 400
# Longer than a request is ever held.
TIMEOUT = 110.0


@dataclass(frozen=True)
class Sample:
    """One request; failure None: answered with 200. began: on the monotonic clock."""

    kind: str
    began: float
    took: float
    failure: str | None


@dataclass
class Report:
    """What happened, and what the server has acknowledged."""

    samples: list[Sample] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    rooms: list[str] = field(default_factory=list)
    devices: list[str] = field(default_factory=list)

    @property
    def failures(self) -> list[str]:
        return [f"{one.kind}: {one.failure}" for one in self.samples if one.failure]

    @property
    def longest_wait(self) -> float:
        """The longest time to an answer, long polls apart: these wait anyway."""
        return max((one.took for one in self.samples if one.kind not in FILTERS), default=0.0)

    @property
    def longest_gap(self) -> float:
        """The longest time in which no plain GET was answered, up to the end of the load."""
        gets = [one for one in self.samples if one.kind == "get"]
        if not gets:
            return 0.0
        answered = sorted(one.began + one.took for one in gets if not one.failure)
        begin, end = min(one.began for one in gets), max(one.began + one.took for one in gets)
        return max(b - a for a, b in itertools.pairwise([begin, *answered, end]))

    def __str__(self) -> str:
        kinds = Counter(one.kind for one in self.samples)
        counted = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        return (
            f"{len(self.failures)} failed of {len(self.samples)} ({counted}); longest wait "
            f"{self.longest_wait:.1f} s, longest time without service {self.longest_gap:.1f} s"
        )


class Load:
    """``with Load(account) as load: …``; afterwards ``load.report`` is complete.

    On entry the account is logged in and each kind of client has had its first answer, so that
    the server is warm; on exit what is in flight is awaited.
    """

    def __init__(
        self,
        account: Account,
        clients: Mapping[str, tuple[int, float]] = CLIENTS,
        *,
        most_requests: int = 30_000,
        most_seconds: float = 600,
    ) -> None:
        self.account = account
        self.clients = clients
        self.report = Report()
        self.token = ""
        self.room = ""
        self._keys: deque[dict[str, Any]] = deque()
        self._left = most_requests
        self._deadline = time.monotonic() + most_seconds
        self._ending = threading.Event()
        self._warm = threading.Event()
        self._answered: set[str] = set()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._session: aiohttp.ClientSession

    def __enter__(self) -> "Load":
        self._thread.start()
        if not self._warm.wait(60) or self._error:
            self._ending.set()
            raise AssertionError(f"the load did not begin: {self._error or self.report}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ending.set()
        self._thread.join(TIMEOUT + 10)
        if error is None and self._error is not None:
            raise self._error

    def breathe(self, seconds: float) -> None:
        """Let the clients go on for a while; raises what ended them."""
        self._thread.join(seconds)
        if self._error is not None:
            raise self._error

    def timeline(self) -> list[str]:
        """The bodies of all messages of the room, oldest first."""
        bodies: list[str] = []
        start = ""
        while True:
            page = self._get(f"{API}/rooms/{self.room}/messages?dir=b&limit=500{start}")
            bodies += [
                event["content"]["body"]
                for event in page["chunk"]
                if event["type"] == "m.room.message"
            ]
            if "end" not in page:
                return bodies[::-1]
            start = f"&from={page['end']}"

    def assert_nothing_lost_or_doubled(self) -> None:
        """What the server has is what it acknowledged, each once."""
        assert sorted(self.timeline()) == sorted(self.report.messages)
        joined = self._get(f"{API}/joined_rooms")["joined_rooms"]
        assert sorted(joined) == sorted([self.room, *self.report.rooms])
        devices = [one["device_id"] for one in self._get(f"{API}/devices")["devices"]]
        assert sorted(devices) == sorted(self.report.devices)

    def _get(self, path: str) -> Any:
        return self.account.homeserver.request("GET", path, token=self.token).expect(200).json

    def _run(self) -> None:
        try:
            asyncio.run(self._all())
        except BaseException as error:  # raised again where the load is used
            self._error = error
            self._warm.set()

    async def _all(self) -> None:
        homeserver = self.account.homeserver
        connector = aiohttp.TCPConnector(
            resolver=homeserver.resolver(), ssl=homeserver.tls(), force_close=True, limit=0
        )
        async with aiohttp.ClientSession(
            homeserver.base_url,
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        ) as self._session:
            answer = await self._login()
            self.token = answer["access_token"]
            # Making the account has made a device, too.
            before = await self._ask("login", "GET", f"{API}/devices")
            self.report.devices = [one["device_id"] for one in before["devices"]]
            self.room = (await self._create_room())["room_id"]
            self.report.rooms.clear()
            steps: Mapping[str, Callable[[], Awaitable[Any]]] = {
                "get": lambda: self._ask("get", "GET", VERSIONS),
                "send": self._send,
                "login": self._login,
                "keys": self._upload_keys,
                "room": self._create_room,
            }
            async with asyncio.TaskGroup() as group:
                for kind, (number, pause) in self.clients.items():
                    for _ in range(number):
                        if kind in FILTERS:
                            group.create_task(self._sync(kind, pause))
                        else:
                            group.create_task(self._repeat(steps[kind], pause))

    @property
    def _goes_on(self) -> bool:
        return not self._ending.is_set() and self._left > 0 and time.monotonic() < self._deadline

    async def _repeat(self, step: Callable[[], Awaitable[Any]], pause: float) -> None:
        while self._goes_on:
            await step()
            await asyncio.sleep(pause)

    async def _ask(self, kind: str, method: str, path: str, body: Any = None) -> Any:
        """One request; its answer, or None when it failed. Always noted."""
        self._left -= 1
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        began = time.monotonic()
        answer, failure = None, None
        try:
            async with self._session.request(method, path, json=body, headers=headers) as response:
                text = await response.text()
                if response.status == 200:
                    answer = await response.json()
                else:
                    failure = f"{response.status} {text[:200]}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = repr(error)
        took = time.monotonic() - began
        if failure:
            failure = f"{failure} after {took:.1f} s"
        self.report.samples.append(Sample(kind, began, took, failure))
        if failure:
            await asyncio.sleep(0.1)  # as a client would
        elif not self._warm.is_set():
            self._answered.add(kind)
            if self._answered >= set(self.clients):
                self._warm.set()
        return answer

    async def _login(self) -> Any:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": self.account.localpart},
            "password": self.account.password,
        }
        answer = await self._ask("login", "POST", f"{API}/login", body)
        if answer:
            self.report.devices.append(answer["device_id"])
        return answer

    async def _create_room(self) -> Any:
        answer = await self._ask("room", "POST", f"{API}/createRoom", {"preset": "private_chat"})
        if answer:
            self.report.rooms.append(answer["room_id"])
        return answer

    async def _send(self) -> None:
        text = secrets.token_hex(8)
        body = {"msgtype": "m.text", "body": text}
        path = f"{API}/rooms/{self.room}/send/m.room.message/{text}"
        if await self._ask("send", "PUT", path, body):
            self.report.messages.append(text)

    async def _upload_keys(self) -> None:
        if len(self._keys) < MOST_KEYS:
            key = {"key": secrets.token_urlsafe(32), "signatures": {}}
            self._keys.append({f"signed_curve25519:{secrets.token_hex(4)}": key})
        else:
            self._keys.rotate()
        await self._ask("keys", "POST", f"{API}/keys/upload", {"one_time_keys": self._keys[-1]})

    async def _sync(self, kind: str, pause: float) -> None:
        since = ""
        while self._goes_on:
            timeout = LONG_POLL_MS if since else 0
            path = f"{API}/sync?timeout={timeout}&filter={FILTERS[kind]}{since}"
            answer = await self._ask(kind, "GET", path)
            if answer:
                since = f"&since={answer['next_batch']}"
            await asyncio.sleep(pause)
