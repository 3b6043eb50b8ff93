"""Who is at an address."""

import http.server
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from altpeter_matrix.base.commands import run
from altpeter_matrix.synapse import outside

ANSWERS = {
    outside.KEYS: (200, b'{"verify_keys": {"ed25519:a": {"key": "x"}}}'),
    "/broken": (502, b"{}"),
    "/page": (200, b"<html>"),
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server with a certificate of its own."""
    pem, key = tmp_path / "pem", tmp_path / "key"
    run(
        "openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-subj", "/CN=x", "-keyout", key, "-out", pem,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_what_a_server_answers(port: int) -> None:
    shown = outside.get("127.0.0.1", "example.org", outside.KEYS, port)
    assert outside.keys(shown) == {"ed25519:a": "x"}
    for path in ("/broken", "/page"):
        with pytest.raises(outside.Refused):
            outside.get("127.0.0.1", "example.org", path, port)


def test_nobody_is_there() -> None:
    with pytest.raises(outside.Refused, match="Connection refused"):
        outside.get("127.0.0.1", "example.org", outside.KEYS, 1)


def test_keys_of_an_answer() -> None:
    assert outside.keys({"verify_keys": {"ed25519:a": {"key": "x"}, "b": 7}}) == {"ed25519:a": "x"}
    assert outside.keys({"verify_keys": []}) == {}
