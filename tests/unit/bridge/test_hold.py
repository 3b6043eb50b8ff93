"""What waits while Synapse restarts, and what a stop waits for."""

import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from altpeter_matrix.bridge import after_start, before_stop

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
NGINX_WRITES = "0108007F:A001 0100007F:1F48"
NGINX_READS = "0100007F:A002 0100007F:1F48"
SYNAPSE_ANSWERS = "0100007F:1F48 0100007F:A002"


def table(*rows: str) -> str:
    return HEADER + "".join(f"   {n}: {row} 00:00000000 00000000 0\n" for n, row in enumerate(rows))


def test_a_write_in_flight_is_waited_for() -> None:
    assert before_stop.writes_open(table(f"{NGINX_WRITES} 01 00000000:00000000"))
    assert before_stop.writes_open(table(f"{NGINX_WRITES} 02 00000000:00000000"))


def test_a_write_that_has_been_answered_is_not() -> None:
    assert not before_stop.writes_open(table(f"{NGINX_WRITES} 06 00000000:00000000"))


def test_a_long_poll_is_not_waited_for() -> None:
    poll = table(f"{NGINX_READS} 01 00000000:00000000")
    assert not before_stop.writes_open(poll)
    assert not before_stop.transfers_open(poll, 8008)


def test_an_answer_on_its_way_is_waited_for() -> None:
    assert before_stop.transfers_open(table(f"{SYNAPSE_ANSWERS} 01 00001000:00000000"), 8008)
    assert before_stop.transfers_open(table(f"{NGINX_READS} 01 00000000:00001000"), 8008)
    assert not before_stop.transfers_open(table(f"{SYNAPSE_ANSWERS} 01 00001000:00000000"), 8118)


def test_the_drain_closes_the_door_first_and_ends_when_the_writes_have(tmp_path: Path) -> None:
    held, connections = tmp_path / "held", tmp_path / "tcp"
    connections.write_text(table(f"{NGINX_WRITES} 01 00000000:00000000"))
    draining = threading.Thread(target=before_stop.drain, args=(8008, held, connections))
    draining.start()
    draining.join(0.5)
    assert draining.is_alive()
    assert held.exists()
    connections.write_text(table())
    draining.join(5)
    assert not draining.is_alive()


def test_the_drain_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_stop, "WRITES_END_WITHIN", 0.3)
    connections = tmp_path / "tcp"
    connections.write_text(table(f"{NGINX_WRITES} 01 00000000:00000000"))
    began = time.monotonic()
    before_stop.drain(8008, tmp_path / "held", connections)
    assert 0.3 < time.monotonic() - began < 3


def test_the_port_is_the_generations(tmp_path: Path) -> None:
    environment = tmp_path / "hold.env"
    assert before_stop.synapse_port(environment) == 8008
    environment.write_text("SYNAPSE_PORT=8118\n")
    assert before_stop.synapse_port(environment) == 8118


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def synapse() -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server
        server.shutdown()


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "hold.sock"))
        listening.listen()
        yield listening


def ask(waiting: socket.socket) -> socket.socket:
    link = socket.socket(socket.AF_UNIX)
    link.connect(waiting.getsockname())
    link.sendall(b"GET / HTTP/1.0\r\n\r\n")
    link.settimeout(5)
    return link


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after_start, "_IDLE_EXIT", 0.3)


@pytest.mark.usefixtures("quick")
def test_a_request_goes_on_while_synapse_answers(
    tmp_path: Path, waiting: socket.socket, synapse: http.server.ThreadingHTTPServer
) -> None:
    with ask(waiting) as link:
        after_start.serve([waiting], synapse.server_port, tmp_path / "held")
        assert link.recv(100).startswith(b"HTTP/1.0 204 ")


@pytest.mark.usefixtures("quick")
def test_a_request_waits_while_synapse_drains(
    tmp_path: Path, waiting: socket.socket, synapse: http.server.ThreadingHTTPServer
) -> None:
    mark = tmp_path / "held"
    mark.touch()
    with ask(waiting) as link:
        serving = threading.Thread(
            target=after_start.serve, args=([waiting], synapse.server_port, mark), daemon=True
        )
        serving.start()
        link.settimeout(0.5)
        with pytest.raises(TimeoutError):
            link.recv(100)
        mark.unlink()
        link.settimeout(5)
        assert link.recv(100).startswith(b"HTTP/1.0 204 ")
    serving.join(5)


def test_without_synapse_nothing_is_even_accepted(tmp_path: Path, waiting: socket.socket) -> None:
    """So that a killed process takes no request with it."""
    with socket.socket() as nobody, ask(waiting) as link:
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: refused
        port = nobody.getsockname()[1]
        child = os.fork()
        if child == 0:
            after_start.serve([waiting], port, tmp_path / "held")
            os._exit(0)
        time.sleep(0.5)
        os.kill(child, 9)
        os.waitpid(child, 0)
        waiting.settimeout(1)
        accepted, _ = waiting.accept()
        after_start.answer(accepted)
        assert link.recv(100).startswith(b"HTTP/1.0 204 ")


def test_a_forgotten_mark_does_not_hold_everything_back(tmp_path: Path) -> None:
    mark = tmp_path / "held"
    assert not after_start.held(mark)
    mark.touch()
    assert after_start.held(mark)
    for away in (-3600, 3600):  # it is old, or the clock was set back
        moment = time.time() + away
        os.utime(mark, (moment, moment))
        assert not after_start.held(mark)
