"""Connections to a homeserver between chosen addresses, and what uses them in the background."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from tests.clients.homeserver import Homeserver

_PORT = 443


async def open_streams(
    homeserver: Homeserver, tls: ssl.SSLContext, source: str, target: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An asynchronous connection, verified. source: an address of this machine."""
    return await asyncio.open_connection(
        target, _PORT, ssl=tls, server_hostname=homeserver.public_name, local_addr=(source, 0)
    )


def open_socket(
    homeserver: Homeserver, tls: ssl.SSLContext, source: str, target: str
) -> ssl.SSLSocket:
    """The same as a socket."""
    plain = socket.create_connection((target, _PORT), 30, (source, 0))
    return tls.wrap_socket(plain, server_hostname=homeserver.public_name)


@dataclass
class Background:
    """A context manager whose work goes on in a thread until it is left."""

    _stop: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def _begin(self, work: Callable[[], None]) -> threading.Thread:
        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        return self._thread

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(60)
