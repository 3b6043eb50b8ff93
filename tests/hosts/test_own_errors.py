"""What nginx answers by itself is a Matrix error that web clients can read, by any protocol."""

import json
import re
import socket
import ssl

import h2.config
import h2.connection
import h2.events
import pytest

from tests.clients.raw_http import RawAnswer, send_bytes
from tests.hosts.deployments import Deployment

SYNC = "/_matrix/client/v3/sync"
VERSIONS = "/_matrix/client/versions"
LOGIN = "POST /_matrix/client/v3/login HTTP/1.1"
ENDS = (h2.events.StreamEnded, h2.events.StreamReset, h2.events.ConnectionTerminated)


def head(request_line: str, *headers: str) -> bytes:
    return "\r\n".join([request_line, *headers, "Connection: close", "", ""]).encode()


def get(target: str) -> str:
    return f"GET {target} HTTP/1.1"


def long(length: int) -> str:
    return f"{SYNC}?filter={'a' * length}"


def assert_matrix_error(answer: RawAnswer, status: int) -> None:
    assert answer.status == status, answer
    headers = [line.lower() for line in answer.head.splitlines()]
    assert "content-type: application/json" in headers, answer
    # Twice would be a value that no browser accepts.
    assert headers.count("access-control-allow-origin: *") == 1, answer
    error = json.loads(answer.body)
    assert error["errcode"].startswith("M_") and error["error"], answer


# (request line, further headers, status); Host is added.
REFUSED = {
    "a long address": (get(long(14100)), (), 414),
    "a longer address": (get(long(30000)), (), 414),
    "an address beyond all buffers": (get(long(40000)), (), 414),
    "large headers": (get(VERSIONS), (f"X-A: {'a' * 40000}",), 431),
    "a large body": (LOGIN, ("Content-Length: 9999999999",), 413),
    "a bad length": (LOGIN, ("Content-Length: x",), 400),
    "a bad chunk": (LOGIN, ("Transfer-Encoding: chunked", "", "zz"),
                    400),
    "an unknown coding": (LOGIN, ("Transfer-Encoding: x",), 501),
    "a bad escape": (get("/%zz"), (), 400),
    "a way out": (get("/../x"), (), 400),
    "two hosts": (get(VERSIONS), ("Host: another.test",), 400),
    "half a request line": ("GET", (), 400),
    "an unknown version": ("GET / HTTP/7.0", (), 505),
    "a method of nginx's own": (f"TRACE {VERSIONS} HTTP/1.1", (), 405),
    "a proxy's method": ("CONNECT x.test:443 HTTP/1.1", (), 400),
    "an unknown path": (get("/x"), (), 404),
    "an icon": (get("/favicon.ico"), (), 404),
    "a page": (get("/index.html"), (), 404),
    "a part of nothing": (get("/.well-known/matrix/client"), ("If-Match: x",), 412),
    "sending to robots.txt": ("POST /robots.txt HTTP/1.1", ("Content-Length: 0",), 405),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_nginx_refuses(deployment: Deployment, kind: str) -> None:
    line, headers, status = REFUSED[kind]
    name = deployment.public_name
    data = head(line, f"Host: {name}", *headers)
    assert_matrix_error(send_bytes(deployment.host.ipv4, 443, data, tls=name), status)


@pytest.mark.parametrize("port", [443, 8448])
def test_plain_http_on_a_port_for_tls(deployment: Deployment, port: int) -> None:
    data = head(get(VERSIONS), f"Host: {deployment.public_name}")
    assert_matrix_error(send_bytes(deployment.host.ipv4, port, data, tls=None), 400)


@pytest.mark.parametrize(("length", "status"), [(12000, 401), (14100, 414), (30000, 414)])
@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
def test_an_address_has_one_bound(
    deployment: Deployment, protocol: str, length: int, status: int
) -> None:
    target = f"{SYNC}?filter={'%7B' * (length // 3)}"
    name = deployment.public_name
    if protocol == "HTTP/2":
        answer = over_http2(deployment, target)
    else:
        data = head(get(target), f"Host: {name}")
        answer = send_bytes(deployment.host.ipv4, 443, data, tls=name)
    if status == 414:
        assert_matrix_error(answer, status)
    else:
        assert (answer.status, "M_MISSING_TOKEN" in answer.body) == (status, True), answer


def test_robots_are_kept_out_and_the_type_is_true(deployment: Deployment) -> None:
    name = deployment.public_name
    for path, status, kind in (
        ("/robots.txt", 200, "text/plain"),
        ("/favicon.ico", 404, "application/json"),
        ("/", 404, "application/json"),
    ):
        data = head(get(path), f"Host: {name}")
        answer = send_bytes(deployment.host.ipv4, 443, data, tls=name)
        assert answer.status == status, answer
        assert f"content-type: {kind}" in answer.head.lower(), answer
        if status == 200:
            assert answer.body == "User-agent: *\nDisallow: /\n"
        else:
            assert json.loads(answer.body)["errcode"] == "M_UNRECOGNIZED"


def test_the_administrators_robots_txt_wins(victim: Deployment) -> None:
    host, name = victim.host, victim.public_name
    data = head(get("/robots.txt"), f"Host: {name}")
    for location in ("= /robots.txt", "/"):
        text = f'location {location} {{ default_type text/plain; return 200 "mine"; }}\n'
        host.write("/etc/altpeter-matrix/nginx.d/own.conf", text)
        host.sh("altpeter-matrix apply")
        assert send_bytes(host.ipv4, 443, data, tls=name).body == "mine"


def over_http2(deployment: Deployment, target: str) -> RawAnswer:
    """One GET; status 0 when the stream was broken off without one."""
    name = deployment.public_name
    context = ssl.create_default_context(cafile=str(deployment.ca_file))
    context.set_alpn_protocols(["h2"])
    head, body = "", b""
    with (
        socket.create_connection((deployment.host.ipv4, 443), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        peer = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        peer.initiate_connection()
        request = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", name),
            (":path", target),
        ]
        peer.send_headers(1, request, end_stream=True)
        tls.sendall(peer.data_to_send())
        ended = False
        while not ended and (received := tls.recv(65536)):
            for event in peer.receive_data(received):
                if isinstance(event, h2.events.ResponseReceived):
                    head = "\r\n".join(
                        f"{text(key)}: {text(value)}" for key, value in event.headers
                    )
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                ended = ended or isinstance(event, ENDS)
            tls.sendall(peer.data_to_send())
    status = re.search(r"^:status: (\d+)", head, re.MULTILINE)
    return RawAnswer(int(status[1]) if status else 0, head, body.decode())


def text(header: bytes | str) -> str:
    return header if isinstance(header, str) else header.decode()
