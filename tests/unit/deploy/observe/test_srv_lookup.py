"""SRV records by the host's resolver, whatever answers."""

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.observe import srv_lookup


@contextmanager
def dns_server(answer: bytes, *, lost: int = 0) -> Iterator[int]:
    """Answers one query on loopback with the records in `answer`, after so many that got lost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def serve() -> None:
            for _ in range(lost + 1):
                query, client = server.recvfrom(512)
            header = query[:2] + struct.pack(">5H", 0x8180, 1, 2, 0, 0)
            server.sendto(header + query[12:] + answer, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def record(kind: int, data: bytes) -> bytes:
    """A record of the name that was asked for, by a pointer to the question."""
    return b"\xc0\x0c" + struct.pack(">2HIH", kind, 1, 3600, len(data)) + data


@pytest.mark.parametrize("lost", [0, 1])
def test_service_records_are_read_from_an_answer(lost: int) -> None:
    # The target ends with a pointer to example.org in the question, behind `_matrix-fed._tcp.`.
    target = b"\x06matrix" + struct.pack(">H", 0xC000 | 12 + 12 + 5)
    answer = record(5, b"\x00") + record(33, struct.pack(">3H", 10, 5, 8448) + target)
    with dns_server(answer, lost=lost) as port:
        found = srv_lookup.look_up("_matrix-fed._tcp.example.org", ["127.0.0.1"], port)
    assert found == [(8448, "matrix.example.org")]


def test_a_target_that_is_no_host_name_says_nothing() -> None:
    """What the host prints is read line by line: `tool settled` would be one of another key."""
    label = b"a\n## tool\nsettled"
    hostile = bytes([len(label)]) + label + b"\x00"
    good = record(33, struct.pack(">3H", 10, 5, 8448) + b"\x06matrix\x03org\x00")
    answer = record(33, struct.pack(">3H", 10, 5, 1) + hostile) + good
    with dns_server(answer) as port:
        found = srv_lookup.look_up("_matrix._tcp.example.org", ["127.0.0.1"], port)
    assert found == [(8448, "matrix.org")]


@given(message=st.binary(max_size=80))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_answer_makes_the_lookup_fail_otherwise_than_it_expects(message: bytes) -> None:
    header = struct.pack(">6H", 1, 0x8180, 1, 3, 0, 0)
    try:
        for port, target in srv_lookup.services(header + message):
            assert 0 <= port <= 65535
            assert re.fullmatch(r"[a-z0-9_.-]+", target)
    except (IndexError, struct.error):
        return


def test_an_answer_that_is_nonsense_is_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(srv_lookup, "TIMEOUT", 0.5)
    with dns_server(b"\xff" * 7) as port:
        assert srv_lookup.look_up("_matrix._tcp.example.org", ["127.0.0.1"], port) == []
