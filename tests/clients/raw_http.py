"""HTTP/1.1 requests byte by byte, so that no client library tidies a path up on the way.

Standard library only and Python 3.11, because the tests also pipe this file into a lab host:
``python3 raw_http.py < probes.json`` prints the answers as JSON, in the order of the probes.
"""

import json
import socket
import ssl
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

TIMEOUT = 20.0
LARGEST_ANSWER = 4 * 1024**2


@dataclass(frozen=True)
class Probe:
    """One raw request. tls: the server name to present, None for plain HTTP."""

    address: str
    port: int
    target: str
    host: str
    tls: str | None = None
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class RawAnswer:
    """What came back; error says why nothing did."""

    status: int
    head: str
    body: str
    error: str = ""


def send(probe: Probe) -> RawAnswer:
    """Send one probe over a connection of its own and read until the server closes."""
    lines = [f"{probe.method} {probe.target} HTTP/1.1", f"Host: {probe.host}"]
    lines += [f"{name}: {value}" for name, value in probe.headers]
    lines += ["Connection: close", "", ""]
    request = "\r\n".join(lines).encode("latin-1")
    return send_bytes(probe.address, probe.port, request, tls=probe.tls)


def send_bytes(address: str, port: int, request: bytes, *, tls: str | None) -> RawAnswer:
    """Send these bytes, whatever they are. tls: as in Probe; an empty name is not presented."""
    try:
        received = _exchange(address, port, request, tls)
    except OSError as error:
        return RawAnswer(0, "", "", f"{type(error).__name__}: {error}")
    head, _, body = received.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return RawAnswer(status, head.decode("latin-1"), body.decode("latin-1"))


def _exchange(address: str, port: int, request: bytes, tls: str | None) -> bytes:
    with socket.create_connection((address, port), TIMEOUT) as plain:
        connection = plain if tls is None else _unverified_tls(plain, tls)
        connection.sendall(request)
        return _read_all(connection)


def _unverified_tls(plain: socket.socket, name: str) -> ssl.SSLSocket:
    """An attacker does not care whose certificate it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=name or None)


def _read_all(connection: socket.socket) -> bytes:
    received = b""
    while len(received) < LARGEST_ANSWER:
        try:
            chunk = connection.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            break
        if not chunk:
            break
        received += chunk
    return received


def send_all(probes: Sequence[Probe]) -> list[RawAnswer]:
    """Send many probes, a few at a time; the answers are in the order of the probes."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(send, probes))


def _main() -> None:
    probes = [
        Probe(**{**probe, "headers": tuple(map(tuple, probe["headers"]))})
        for probe in json.load(sys.stdin)
    ]
    json.dump([asdict(answer) for answer in send_all(probes)], sys.stdout)


if __name__ == "__main__":
    _main()
