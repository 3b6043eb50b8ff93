"""Thousands of idle long polls, each on a connection of its own.

A client of asyncio's streams and no library's, because ten thousand of them share one process.
"""

import asyncio
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.clients.connections import Background, open_streams
from tests.clients.homeserver import Homeserver

# Presence would end a poll whenever another client polls.
FILTER = '{"presence":{"types":[]},"room":{"rooms":[]}}'
SYNC = f"/_matrix/client/v3/sync?filter={FILTER}".replace('"', "%22")
# Connecting at the same time: more would only wait in the listen queue.
_AT_ONCE = 50
_PATIENCE = 150.0


@dataclass
class Polls(Background):
    """``with Polls(homeserver, tokens, 2000, sources) as polls: …``; on entry all of them wait.

    sources: addresses of this machine that the clients come from, in turn.
    """

    homeserver: Homeserver
    tokens: Sequence[str]
    number: int
    addresses: Sequence[tuple[str, str]]  # where from, where to
    seconds: int = 120  # of one poll
    answers: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    open: int = 0
    _ready: threading.Event = field(default_factory=threading.Event)
    _error: BaseException | None = None

    def __enter__(self) -> "Polls":
        self._begin(self._run)
        if not self._ready.wait(_PATIENCE * 4) or self._error:
            self._stop.set()
            raise AssertionError(f"{self.open} of {self.number} polls wait: {self}")
        return self

    def __str__(self) -> str:
        return f"{self.open} of {self.number} polls wait; answers {dict(self.answers)}"

    @property
    def failures(self) -> Counter[str]:
        """What was answered that was no 200, by how often."""
        return Counter({what: n for what, n in self.answers.items() if what != "200"})

    def wait_until_open(self, within: float) -> None:
        """Wait until every client has a poll open again."""
        end = time.monotonic() + within
        while self.open < self.number:
            assert time.monotonic() < end, str(self)
            time.sleep(0.2)

    def _run(self) -> None:
        try:
            asyncio.run(self._all())
        except BaseException as error:  # told where the polls are used
            self._error = error
        finally:
            self._ready.set()

    async def _all(self) -> None:
        since = {}
        for token in self.tokens:
            answer = self.homeserver.request("GET", SYNC, token=token).expect(200)
            since[token] = str(answer.json["next_batch"])
        gate, tls = asyncio.Semaphore(_AT_ONCE), self.homeserver.tls()
        pairs = zip(itertools.cycle(self.tokens), itertools.cycle(self.addresses), strict=False)
        tasks = [
            asyncio.create_task(self._client(token, since[token], pair, gate, tls))
            for token, pair in itertools.islice(pairs, self.number)
        ]
        while not self._stop.is_set():
            if self.open >= self.number or sum(self.failures.values()) >= self.number:
                self._ready.set()
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(
        self, token: str, since: str, pair: tuple[str, str], gate: asyncio.Semaphore, tls: Any
    ) -> None:
        source, target = pair
        while True:
            try:
                async with gate:
                    opening = open_streams(self.homeserver, tls, source, target)
                    reader, writer = await asyncio.wait_for(opening, 60)
                try:
                    since = await self._poll(reader, writer, token, since)
                finally:
                    writer.transport.abort()
            except (OSError, TimeoutError, EOFError, ValueError) as error:
                self.answers[repr(error)[:80]] += 1
                await asyncio.sleep(1)

    async def _poll(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, since: str
    ) -> str:
        while True:
            began = time.monotonic()
            lines = (
                f"GET {SYNC}&timeout={self.seconds * 1000}&since={since} HTTP/1.1",
                f"Host: {self.homeserver.public_name}",
                f"Authorization: Bearer {token}",
            )
            writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())
            self.open += 1
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                body = await self._body(reader, head)
            finally:
                self.open -= 1
            self.took.append(time.monotonic() - began)
            status = head.split()[1]
            self.answers[status] += 1
            if status != "200":
                await asyncio.sleep(2)
                return since
            since = json.loads(body)["next_batch"]

    async def _body(self, reader: asyncio.StreamReader, head: str) -> bytes:
        lengths = [line[15:] for line in head.split("\r\n") if line.startswith("content-length:")]
        if lengths:
            return await reader.readexactly(int(lengths[0]))
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return body
