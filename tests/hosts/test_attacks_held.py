"""A stranger who makes requests wait, or waits himself: it is bounded, and nobody else notices.

The attacker has the controller's IPv6 address, everybody else its IPv4 address.
"""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.clients.homeserver import Answer, Homeserver
from tests.clients.load import Load
from tests.clients.slow import Slow
from tests.clients.streams import Flood, Refusal
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.lab.network import GATEWAY
from tests.hosts.people import administrator, change_settings, homeserver_of, new_account
from tests.hosts.probes import VERSIONS, wait_until_serving
from tests.hosts.test_no_request_lost import NEW, OLD, UNLIMITED, install_synapse

HELD_OF_ADDRESS = 300
# With uploads of 5 MB nginx takes bodies of 13 MB, 256 of 100 kB or more at a time.
BODIES_OF_ADDRESS = 64
BODY_LIMIT = 200 * 65536
UPLOAD = "/_matrix/media/v3/upload"
FORTY = {"get": (9, 0.2), "send": (9, 0.3), "login": (4, 0.8), "keys": (5, 0.4), "room": (3, 1.0),
         "sync": (5, 0.05), "poll": (5, 0.05)}  # fmt: skip
# nginx removes their names at once.
BODIES = (
    "for p in $(pgrep -f '^nginx: worker process$'); do ls -l /proc/$p/fd; done"
    " | grep -c /var/lib/nginx/body || true"
)


@pytest.fixture(scope="module")
def server(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    found = clone(deployment, "attacked")
    change_settings(found, synapse=UNLIMITED)
    wait_until_serving(found)
    return found


@pytest.fixture
def homeserver(server: Deployment) -> Homeserver:
    return homeserver_of(server)


@contextmanager
def stopped_synapse(server: Deployment) -> Iterator[None]:
    server.host.run("systemctl", "stop", "matrix-synapse")
    try:
        yield
    finally:
        server.host.run("systemctl", "start", "matrix-synapse")


def attacker(host: Host) -> tuple[str, str]:
    """Where the attacker comes from, and where he goes to."""
    return host.identity.subnet.ipv6(GATEWAY), host.ipv6


def upload(server: Deployment, length: int, sent: int = 20_000) -> bytes:
    """The head of an upload and a part of it, on HTTP/1.1."""
    lines = (
        f"POST {UPLOAD} HTTP/1.1", f"Host: {server.public_name}",
        "Content-Type: application/octet-stream", f"Content-Length: {length}", "", "",
    )  # fmt: skip
    return "\r\n".join(lines).encode() + b"x" * sent


def assert_the_rest_answers(server: Deployment) -> None:
    """What needs no Synapse: the documents, port 80 with ACME's path and the redirect."""
    for name in ("client", "server"):
        began = time.monotonic()
        answer = homeserver_of(server).request("GET", f"/.well-known/matrix/{name}")
        assert answer.status in {200, 404}, answer
        assert time.monotonic() - began < 5
    for path, status in (("/.well-known/acme-challenge/x", b"404"), ("/", b"301")):
        with socket.create_connection((server.host.ipv4, 80), 5) as link:
            head = f"GET {path} HTTP/1.1\r\nHost: {server.public_name}\r\n\r\n"
            link.sendall(head.encode())
            assert link.recv(100).split()[1] == status


def assert_matrix_error(answer: Refusal | Answer, status: int, errcode: str) -> None:
    assert int(answer.status) == status
    assert answer.json["errcode"] == errcode
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_flood_while_synapse_is_away_takes_no_place_of_others(
    server: Deployment, homeserver: Homeserver
) -> None:
    """14 connections with 128 requests each: nothing else was answered, port 80 included."""
    source, target = attacker(server.host)
    with stopped_synapse(server), Flood(homeserver, source, target) as flood:
        flood.wait_for_answers(14 * 128 - HELD_OF_ADDRESS)
        assert_the_rest_answers(server)
        with ThreadPoolExecutor(40) as pool:
            waiting = [pool.submit(homeserver.request, "GET", VERSIONS) for _ in range(40)]
            time.sleep(1)
            assert not any(one.done() for one in waiting)
            server.host.run("systemctl", "start", "matrix-synapse")
            assert {one.result().status for one in waiting} == {200}
        flood.wait_for_answers(14 * 128)
    assert flood.answers == {"200": HELD_OF_ADDRESS, "503": 14 * 128 - HELD_OF_ADDRESS}
    for refusal in flood.refusals:
        assert_matrix_error(refusal, 503, "M_UNKNOWN")


def forty_clients_beside_a_flood(
    server: Deployment, interrupt: Callable[[], object], *, again: bool
) -> None:
    """The flood comes as soon as requests are held; again: it repeats what is refused."""
    source, target = attacker(server.host)
    load = Load(new_account(server, "honest"), FORTY)
    with load, ThreadPoolExecutor() as pool:
        interruption = pool.submit(interrupt)
        server.host.sh("until [ -e /run/altpeter-matrix/held ]; do sleep 0.05; done", timeout=120)
        with Flood(homeserver_of(server), source, target, again=again) as flood:
            interruption.result()
        load.breathe(1)
    print(f"Debian {server.host.debian}, {flood}: {load.report}")
    assert flood.answers["503"] >= 14 * 128 - HELD_OF_ADDRESS
    assert load.report.longest_gap > 1, "there was no interruption"
    assert load.report.failures == []
    load.assert_nothing_lost_or_doubled()


def test_forty_clients_lose_nothing_in_a_restart_beside_a_flood(server: Deployment) -> None:
    restart = ("systemctl", "restart", "matrix-synapse")
    forty_clients_beside_a_flood(server, lambda: server.host.run(*restart), again=True)


@pytest.mark.upgrades
def test_forty_clients_lose_nothing_in_an_upgrade_beside_a_flood(server: Deployment) -> None:
    install_synapse(server.host, OLD)
    wait_until_serving(server)
    forty_clients_beside_a_flood(server, lambda: install_synapse(server.host, NEW), again=False)


def test_no_body_is_taken_while_synapse_is_away(server: Deployment, homeserver: Homeserver) -> None:
    source, target = attacker(server.host)
    begun = [upload(server, BODY_LIMIT)] * 100
    with stopped_synapse(server), Slow(homeserver, source, target, begun) as slow:
        slow.wait_for_answers(100 - BODIES_OF_ADDRESS)
        assert bodies(server.host, 0) == 0
        assert {answer.split()[1] for answer in slow.answers} == {b"503"}
        # One of 2 GB, and one that does not say that it is.
        large = homeserver.request("POST", UPLOAD, headers={"Content-Length": str(2 * 1024**3)})
        assert (large.status, large.json["errcode"]) == (413, "M_TOO_LARGE")


def test_bodies_on_the_disk_are_bounded(server: Deployment, homeserver: Homeserver) -> None:
    source, target = attacker(server.host)
    begun = [upload(server, BODY_LIMIT)] * 100
    with Slow(homeserver, source, target, begun) as slow:
        slow.wait_for_answers(100 - BODIES_OF_ADDRESS)
        assert bodies(server.host, BODIES_OF_ADDRESS) == BODIES_OF_ADDRESS
        head, _, body = slow.answers[0].partition(b"\r\n\r\n")
        assert head.split()[1] == b"429"
        assert b"\r\nRetry-After: 10" in head
        assert b'"errcode":"M_LIMIT_EXCEEDED"' in body
        # Others still may.
        token = administrator(server).login()
        sent = homeserver.request("POST", UPLOAD, token=token, body=b"x" * 200_000)
        assert sent.status == 200
    assert bodies(server.host, 0) == 0


def bodies(host: Host, expected: int) -> int:
    """How many bodies nginx has on the disk, once they are as many as expected."""
    end = time.monotonic() + 10
    while True:
        found = int(host.sh(BODIES).stdout)
        if found == expected or time.monotonic() > end:
            return found
        time.sleep(0.2)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_that_does_not_say_its_length_is_cut(
    server: Deployment, homeserver: Homeserver, method: str
) -> None:
    source, target = attacker(server.host)
    size = 100_000 if method == "GET" else BODY_LIMIT + 1
    head = f"{method} {VERSIONS} HTTP/1.1\r\nHost: {server.public_name}\r\n"
    text = f"{head}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n".encode() + b"x" * size
    with Slow(homeserver, source, target, [text]) as slow:
        slow.wait_for_answers(1)
        assert slow.answers[0].split()[1] == b"413"
        assert b"M_TOO_LARGE" in slow.answers[0]
    assert bodies(server.host, 0) == 0


def test_five_hundred_slow_clients_hold_nobody_up(
    server: Deployment, homeserver: Homeserver
) -> None:
    source, target = attacker(server.host)
    account = administrator(server)
    token = account.login()
    media = homeserver.request("POST", UPLOAD, token=token, body=b"x" * 3_000_000).expect(200)
    where = str(media.json["content_uri"]).removeprefix("mxc://")
    reader = (
        f"GET /_matrix/client/v1/media/download/{where} HTTP/1.1\r\n"
        f"Host: {server.public_name}\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    begun = [
        *[f"GET {VERSIONS} HTTP/1.1\r\nHost: ".encode()] * 200,
        *[upload(server, 50_000, sent=10)] * 150,
        *[reader.encode()] * 150,
    ]
    with Slow(homeserver, source, target, begun) as slow:
        slow.wait_for_answers(150)
        assert {answer.split()[1] for answer in slow.answers} == {b"200"}
        assert_the_rest_answers(server)
        began = time.monotonic()
        assert account.login()
        assert homeserver.request("GET", VERSIONS).status == 200
        assert time.monotonic() - began < 10
