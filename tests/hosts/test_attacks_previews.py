"""A logged-in user cannot make Synapse fetch what is not public, however the address is written.

The listener is a real one, on each of the addresses; it is asked by each form of address, by names
that lead there, and by redirects. That it can be reached is shown first, without Synapse.
"""

import json
from collections.abc import Mapping
from urllib.parse import quote

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.lab import Lab
from tests.hosts.probes import login, request
from tests.hosts.releases import on_one_release

pytestmark = on_one_release

PORT = 8123
# On the loopback interface of the server, so that a connection by Synapse ends at the listener.
PUBLIC = "93.184.215.14"
CARRIED = {
    "IPv4-compatible": "::7f00:2",
    "IPv4-translated": "::ffff:0:7f00:1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64, private": "64:ff9b::a00:1",
    "NAT64, one's own": "64:ff9b:1::7f00:1",
    "NAT64, one's own, /56": "64:ff9b:1:7f:0:1::",
    "6to4": "2002:7f00:1::1",
    "6to4 of a public address": "2002:5db8:d70e::1",
    "Teredo": "2001:0:7f00:1::1",
    "ISATAP": "fc00::5efe:7f00:1",
    "site-local": "fec0::1",
    "discard-only": "100::1",
    "documentation": "2001:db8::1",
    "documentation, new": "3fff::1",
    "unassigned": "4abc::1",
}
PLAIN = {
    "loopback": "127.0.0.1",
    "loopback, another": "127.9.9.9",
    "this network": "0.0.0.0",
    "private": "10.1.2.3",
    "shared": "100.64.0.1",
    "link-local": "169.254.169.254",
    "protocol assignments": "192.0.0.8",
    "documentation, IPv4": "192.0.2.1",
    "benchmarks": "198.18.0.1",
    "reserved": "240.0.0.1",
    "loopback, IPv6": "::1",
    "nothing, IPv6": "::",
    "IPv4-mapped": "::ffff:127.0.0.1",
}
# Special, but nowhere that something private is; the rest Synapse never asks other servers at.
ASKED_BY_FEDERATION = {
    CARRIED[kind]
    for kind in ("6to4 of a public address", "discard-only", "documentation, new", "unassigned")
}
EVERYWHERE = {**CARRIED, **PLAIN}
# Other ways to write 127.0.0.1.
WRITTEN = ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::ffff:7f00:1]",
           "127.0.0.1.", "①②⑦.0.0.1", "0"]  # fmt: skip

LISTENER = f"""
import http.server, socket
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("/run/listener.log", "a") as log:
            log.write(self.path + "\\n")
        target = self.path.partition("?to=")[2]
        self.send_response(302 if target else 200)
        if target:
            import urllib.parse
            self.send_header("Location", urllib.parse.unquote(target))
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html><head><title>fetched</title></head></html>")
class Server(http.server.ThreadingHTTPServer):
    def get_request(self):
        connection, peer = super().get_request()
        with open("/run/connections.log", "a") as log:
            log.write(connection.getsockname()[0] + "\\n")
        return connection, peer
    address_family = socket.AF_INET6
    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()
Server(("::", {PORT}), Handler).serve_forever()
"""


def in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def start_listener(copy: Deployment) -> None:
    addresses = [PUBLIC, *CARRIED.values(), *PLAIN.values()]
    add = "\n".join(
        f"ip address add {address}/{128 if ':' in address else 32} dev lo nodad || true"
        for address in addresses
        if address not in {"0.0.0.0", "::", "::1", "::ffff:127.0.0.1"}
    )
    copy.host.write("/root/listener.py", LISTENER)
    copy.host.sh(
        f"({add}) 2>/dev/null; : >/run/listener.log;"
        " systemd-run --quiet --unit=listener python3 /root/listener.py; sleep 1"
    )


def fetched(copy: Deployment) -> list[str]:
    return copy.host.read("/run/listener.log").splitlines()


def connections(copy: Deployment) -> set[str]:
    """The addresses at which the listener was reached."""
    lines = copy.host.read("/run/connections.log").splitlines()
    return {line.removeprefix("::ffff:") for line in lines}


def preview(copy: Deployment, token: str, target: str) -> tuple[int, Mapping[str, object]]:
    path = f"/_matrix/client/v1/media/preview_url?url={quote(target, safe='')}"
    answer = request(copy, path, token=token, timeout=60)
    return answer.status, json.loads(answer.body)


@pytest.fixture(scope="module")
def copy(victim: Deployment) -> Deployment:
    """With the listener on all addresses; it can be reached at most of them."""
    start_listener(victim)
    connect = "import socket, sys; socket.create_connection((sys.argv[1], sys.argv[2]), 3)"
    reached = victim.host.sh(
        "\n".join(
            f"python3 -c '{connect}' {address} {PORT} 2>/dev/null && echo {address} || true"
            for address in EVERYWHERE.values()
        )
    ).stdout.split()
    # The kernel takes the rest for nonsense.
    assert len(reached) > len(EVERYWHERE) * 0.8, reached
    victim.host.sh(": >/run/listener.log; : >/run/connections.log")
    return victim


def test_previews_fetch_nothing_that_is_not_public(copy: Deployment, lab: Lab) -> None:
    names: dict[str, tuple[str, ...]] = {f"preview{number}.test": (address,) for number, address in
             enumerate(EVERYWHERE.values())}  # fmt: skip
    names["both.test"] = (PUBLIC, "127.0.0.1")
    names["public.test"] = (PUBLIC,)
    zone = lab.services.zone
    zone.addresses.update(names)
    lab.services.update_dns()
    try:
        token = login(copy)
        status, found = preview(copy, token, f"http://public.test:{PORT}/public")
        assert (status, found.get("og:title")) == (200, "fetched"), found
        assert fetched(copy) == ["/public"], "the control"
        bad = [*map(in_url, EVERYWHERE.values()), *WRITTEN, *set(names) - {"public.test"}]
        for host in bad:
            target = f"http://{host}:{PORT}/direct"
            status, found = preview(copy, token, target)
            assert status >= 400, (target, found)
        for host in bad:
            target = f"http://{host}:{PORT}/redirected"
            via = f"http://public.test:{PORT}/redirect?to={quote(target, safe='')}"
            status, found = preview(copy, token, via)
            assert status >= 400, (via, found)
        assert [path for path in fetched(copy) if not path.startswith("/redirect?")] == ["/public"]
        assert connections(copy) == {PUBLIC}
    finally:
        for name in names:
            zone.remove(name)
        lab.services.update_dns()


@pytest.mark.parametrize(
    "address",
    [*sorted({*CARRIED.values()} - ASKED_BY_FEDERATION), "127.0.0.1", "10.1.2.3", "::1"],
)
def test_federation_reaches_nothing_that_is_not_public(copy: Deployment, address: str) -> None:
    """Each user makes this server ask others, by user IDs, aliases and push gateways."""
    copy.host.sh(": >/run/connections.log")
    name = quote(f"@x:{in_url(address)}:{PORT}")
    answer = request(copy, f"/_matrix/client/v3/profile/{name}", token=login(copy), timeout=60)
    assert answer.status >= 400, answer
    assert connections(copy) == set()
