"""Asking as another server does."""

import http.server
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from altpeter_matrix.base.commands import run
from altpeter_matrix.host import dns
from altpeter_matrix.synapse import outside
from altpeter_matrix.synapse.outside import Place

HERE = Place("example.org", 443, "example.org")
ANSWERS = {
    outside.KEYS: (200, b'{"verify_keys": {"ed25519:a": {"key": "x"}}}'),
    "/moved": (302, b"/moved/again?twice"),
    "/moved/again?twice": (307, b"https://example.org/there"),
    "/there": (200, b'{"found": true}'),
    "/plain": (302, b"http://example.org/there"),
    "/nowhere": (302, b"https://[/"),
    "/loop": (301, b"/loop"),
    "/broken": (502, b"{}"),
    "/page": (200, b"<html>"),
    "/list": (200, b"[]"),
    "/deep": (200, b"[" * 60_000),
}


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", body.decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """example.org, wherever one connects to; its certificate is trusted."""
    pem, key = tmp_path / "pem", tmp_path / "key"
    run(
        "openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:P-256", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:example.org",
        "-keyout", key, "-out", pem,
    )  # fmt: skip
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as found:
        found.socket = context.wrap_socket(found.socket, server_side=True)
        Thread(target=found.serve_forever, daemon=True).start()
        monkeypatch.setattr(
            outside,
            "_connected",
            lambda _place: socket.create_connection(("127.0.0.1", found.server_port)),
        )
        yield
        found.shutdown()


@pytest.mark.usefixtures("server")
def test_what_a_server_answers() -> None:
    shown = outside.get(HERE, outside.KEYS, verified=True)
    assert outside.keys(shown) == {"ed25519:a": "x"}
    for path, why in (
        ("/broken", "answers 502"), ("/page", "is no JSON"), ("/deep", "is no JSON"),
        ("/list", "is no JSON object"), ("/moved", "answers 302"),
    ):  # fmt: skip
        with pytest.raises(outside.Refused, match=f"^{why}$"):
            outside.get(HERE, path, verified=True)


@pytest.mark.usefixtures("server")
def test_where_an_address_leads() -> None:
    assert outside.follow("https://example.org/moved") == {"found": True}
    for path, why in (
        ("plain", "something else than https"), ("nowhere", "something else than https"),
        ("loop", "on and on"), ("broken", "answers 502"),
    ):  # fmt: skip
        with pytest.raises(outside.Refused, match=why):
            outside.follow(f"https://example.org/{path}")


@pytest.mark.usefixtures("server")
def test_the_certificate_has_to_hold_if_it_is_asked_for() -> None:
    other = Place("example.org", 443, "other.org")
    refused = "its certificate is refused: Hostname mismatch"
    with pytest.raises(outside.Refused, match=refused):
        outside.follow("https://other.org/there")
    with pytest.raises(outside.Refused, match=refused):
        outside.get(other, "/there", verified=True)
    assert outside.get(other, "/there", verified=False) == {"found": True}


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """As DNS has them; /etc/hosts is not asked."""
    known = {"AAAA": ["::1"], "A": ["127.0.0.1"]}
    monkeypatch.setattr(dns, "lookup", lambda _name, kind: known[kind])
    with socket.create_server(("127.0.0.1", 0)) as there:
        place = Place("example.org", there.getsockname()[1], "example.org")
        with outside._connected(place) as connection:
            assert connection.getpeername() == ("127.0.0.1", place.port)
    known["A"] = known["AAAA"] = []
    with pytest.raises(outside.Refused, match=r"example\.org has no address in DNS"):
        outside.get(place, outside.KEYS, verified=True)


def test_nobody_is_there() -> None:
    with pytest.raises(outside.Refused, match="Connection refused"):
        outside.get(Place("127.0.0.1", 1, "example.org"), outside.KEYS, verified=False)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError("timed out"), "no answer in time"),
        (ssl.SSLError(1, "[SSL] wrong version number"), "[SSL] wrong version number"),
        (http.client.BadStatusLine("x"), "BadStatusLine"),
    ],
)
def test_reasons_in_a_few_words(error: Exception, said: str) -> None:
    assert outside._reason(error) == said


def test_keys_of_an_answer() -> None:
    assert outside.keys({"verify_keys": {"ed25519:a": {"key": "x"}, "b": 7}}) == {"ed25519:a": "x"}
    assert outside.keys({"verify_keys": []}) == {}
