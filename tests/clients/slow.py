"""Connections that send a part, take little of the answer, and stay open."""

import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from selectors import EVENT_READ, DefaultSelector
from types import TracebackType

from tests.clients.connections import Background, open_socket
from tests.clients.homeserver import Homeserver


@dataclass
class Slow(Background):
    """``with Slow(homeserver, source, target, begun) as slow: …``: one connection for each text.

    reads: how many bytes of its answer each takes at most.
    """

    homeserver: Homeserver
    source: str
    target: str
    begun: Sequence[bytes]
    reads: int = 2000
    answers: list[bytes] = field(default_factory=list)
    _links: list[ssl.SSLSocket] = field(default_factory=list)

    def __enter__(self) -> "Slow":
        tls = self.homeserver.tls()
        for text in self.begun:
            link = open_socket(self.homeserver, tls, self.source, self.target)
            self._links.append(link)
            link.settimeout(2)
            with suppress(OSError):  # refused meanwhile, or not taken
                link.sendall(text)
            link.setblocking(False)
        self._begin(self._read)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        for link in self._links:
            link.close()

    def wait_for_answers(self, number: int, within: float = 30) -> None:
        end = time.monotonic() + within
        while len(self.answers) < number:
            assert time.monotonic() < end, f"{len(self.answers)} answers of {number}"
            time.sleep(0.05)

    def _read(self) -> None:
        """Take the beginning of each answer, and no more."""
        with DefaultSelector() as selector:
            for link in self._links:
                selector.register(link, EVENT_READ, link)
            while not self._stop.is_set() and selector.get_map():
                for key, _ in selector.select(0.2):
                    # What comes first are TLS's own session tickets.
                    with suppress(ssl.SSLWantReadError):
                        with suppress(ConnectionError):
                            self.answers.append(key.data.recv(self.reads))
                        selector.unregister(key.fileobj)
