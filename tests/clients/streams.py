"""A client that opens as many HTTP/2 streams as a server lets it, and waits."""

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events

from tests.clients.connections import Background, open_streams
from tests.clients.homeserver import Homeserver


@dataclass(frozen=True)
class Refusal:
    """An answer that was no 200."""

    status: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Flood(Background):
    """``with Flood(homeserver, source, target) as flood: …``; on entry all requests are out.

    again: what is refused is asked again at once, as an attacker would.
    """

    homeserver: Homeserver
    source: str
    target: str
    connections: int = 14
    streams: int = 128
    path: str = "/_matrix/client/versions"
    again: bool = False
    sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)

    def __enter__(self) -> "Flood":
        thread = self._begin(lambda: asyncio.run(self._all()))
        end = time.monotonic() + 60
        while self.sent < self.connections * self.streams:
            if not thread.is_alive() or time.monotonic() > end:
                raise AssertionError(f"the flood did not begin: {self}")
            time.sleep(0.05)
        return self

    def __str__(self) -> str:
        return f"{self.sent} sent, answers {dict(self.answers)}"

    def wait_for_answers(self, number: int, within: float = 30) -> None:
        """Wait until so many have been answered."""
        end = time.monotonic() + within
        while self.answers.total() < number:
            assert time.monotonic() < end, str(self)
            time.sleep(0.05)

    async def _all(self) -> None:
        tls = self.homeserver.tls()
        tls.set_alpn_protocols(["h2"])
        tasks = [asyncio.create_task(self._connection(tls)) for _ in range(self.connections)]
        while not self._stop.is_set():
            await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, tls: ssl.SSLContext) -> None:
        while True:
            try:
                reader, writer = await open_streams(self.homeserver, tls, self.source, self.target)
                try:
                    await self._streams(reader, writer)
                finally:
                    writer.transport.abort()
            except OSError as error:
                self.answers[repr(error)[:80]] += 1
            if not self.again:
                return
            await asyncio.sleep(0.2)

    async def _streams(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        link.initiate_connection()
        for _ in range(self.streams):
            self._ask(link)
        writer.write(link.data_to_send())
        heads: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        while data := await reader.read(65536):
            for event in link.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    heads[event.stream_id] = {str(k): str(v) for k, v in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                    link.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    head = heads.pop(event.stream_id)
                    self._answered(head, bodies.pop(event.stream_id, b""))
                    if self.again:
                        self._ask(link)
                elif isinstance(event, h2.events.StreamReset):
                    self.answers["reset"] += 1
            writer.write(link.data_to_send())

    def _ask(self, link: h2.connection.H2Connection) -> None:
        headers = [
            (":method", "GET"), (":scheme", "https"), (":path", self.path),
            (":authority", self.homeserver.public_name),
        ]  # fmt: skip
        link.send_headers(link.get_next_available_stream_id(), headers, end_stream=True)
        self.sent += 1

    def _answered(self, head: dict[str, str], body: bytes) -> None:
        self.answers[head[":status"]] += 1
        if head[":status"] != "200" and len(self.refusals) < 100:
            self.refusals.append(Refusal(head[":status"], head, body))
