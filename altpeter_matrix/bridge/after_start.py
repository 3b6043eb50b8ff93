"""Release the requests that wait for Synapse: altpeter-matrix-hold.service.

nginx asks on the socket before it sends a request that met no Synapse. The question waits in the
kernel's backlog, and is taken only when there is an answer: killed while it waits, this process
loses nothing, and systemd starts it again because the backlog is not empty.
"""

import os
import select
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from .before_stop import HELD

# altpeter-matrix-hold.socket's; several, because the kernel lets 4096 connections wait at each.
SOCKETS = tuple(f"/run/altpeter-matrix/hold{more}.sock" for more in ("", "-2", "-3", "-4"))
_FIRST_SOCKET = 3  # sd_listen_fds(3)
_LOOK_EVERY = 0.1
_IDLE_EXIT = 5.0
_ANSWER = b"HTTP/1.0 204 No Content\r\n\r\n"
# Removed when Synapse is READY. Should that ever fail, an old one must not hold everything back.
_HELD_AT_MOST = 60.0
# Synapse may migrate its database for hours; systemd starts the next process at once.
_LIVES_AT_MOST = 3600.0


def held(mark: Path) -> bool:
    """Does Synapse drain before a stop?"""
    try:
        # A mark of the future: the clock was set back since.
        return abs(time.time() - mark.stat().st_mtime) < _HELD_AT_MOST
    except OSError:
        return False


def healthy(port: int) -> bool:
    """Does Synapse answer?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as link:
            link.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return b" 200 " in link.recv(100)
    except OSError:
        return False


def serve(waiting: Sequence[socket.socket], port: int, mark: Path = Path(HELD)) -> None:
    """Answer whoever asks while Synapse is there; return after some seconds without a question,
    and at the latest after an hour."""
    released, end = 0, time.monotonic() + _LIVES_AT_MOST
    while time.monotonic() < end and (asked := select.select(waiting, [], [], _IDLE_EXIT)[0]):
        # Only now: what was true before the question came may not be any more.
        while held(mark) or not healthy(port):
            if time.monotonic() > end:
                return
            time.sleep(_LOOK_EVERY)
        for one in asked:
            link, _ = one.accept()
            answer(link)
            released += 1
    if released:
        # For altpeter_matrix/upgrade/affected_requests.py, and whoever wonders.
        print(f"released {released} request{'' if released == 1 else 's'}", flush=True)


def answer(link: socket.socket) -> None:
    """Let one request go on."""
    with link:
        link.settimeout(1)
        try:
            # Closed with the question unread, the kernel would take the answer back.
            link.recv(4096)
            link.sendall(_ANSWER)
        except OSError:
            pass  # it has given up


if __name__ == "__main__":
    sockets = range(_FIRST_SOCKET, _FIRST_SOCKET + int(os.environ.get("LISTEN_FDS") or 1))
    serve(
        [socket.socket(fileno=number) for number in sockets],
        int(os.environ.get("SYNAPSE_PORT") or 8008),
    )
