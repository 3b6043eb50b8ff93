"""Strangers: whoever does not know a name of this server gets nothing of it.

A name reaches it twice, in the TLS handshake (SNI) and in Host. According to the Matrix
specification (server-server API, "Resolving server names") another server sends the name that it
was delegated to or, found by SRV record or on port 8448, the server name; never an address, unless
that is the server name, which ours cannot be.
"""

import pytest

from tests.clients.raw_http import RawAnswer, send_bytes
from tests.hosts.deployments import Deployment

VERSIONS = "/_matrix/client/versions"
FEDERATION = "/_matrix/federation/v1/version"
WELL_KNOWN = "/.well-known/matrix/client"
PATHS = (VERSIONS, FEDERATION, WELL_KNOWN, "/_synapse/client/", "/nothing", "/")
STRANGER = "nobody.test"
DISCLOSED = ("errcode", "versions", "Synapse", "m.homeserver", "Access-Control")


def request(path: str, host: str | None, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}"]
    lines += [] if host is None else [f"Host: {host}"]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def ask(
    deployment: Deployment, port: int, sni: str | None, host: str | None, path: str = VERSIONS
) -> RawAnswer:
    version = "1.0" if host is None else "1.1"
    return send_bytes(deployment.host.ipv4, port, request(path, host, version), tls=sni)


def disclosed(deployment: Deployment, answer: RawAnswer) -> list[str]:
    """What of the homeserver an answer gives away."""
    names = (deployment.server_name, deployment.public_name)
    return [word for word in (*DISCLOSED, *names) if word in answer.head + answer.body]


def names_of(deployment: Deployment) -> tuple[str, ...]:
    return deployment.host.dns_names


def strange_hosts(deployment: Deployment) -> tuple[str | None, ...]:
    host = deployment.host
    addresses = (host.ipv4, f"[{host.ipv6}]", "127.0.0.1", "localhost")
    near = f"x{deployment.public_name}", f"{deployment.public_name}.{STRANGER}"
    # None: HTTP/1.0 without Host.
    return (STRANGER, *addresses, *near, None)


@pytest.mark.parametrize("path", PATHS)
def test_a_strange_host_gets_nothing(deployment: Deployment, path: str) -> None:
    for port in (443, 8448):
        for host in strange_hosts(deployment):
            answer = ask(deployment, port, deployment.public_name, host, path)
            assert disclosed(deployment, answer) == [], (port, host, answer)
            assert answer.status in {400, 421}, (port, host, answer)


@pytest.mark.parametrize("sni", [STRANGER, ""])
def test_a_strange_handshake_gets_not_even_a_certificate(deployment: Deployment, sni: str) -> None:
    for host in (deployment.public_name, STRANGER, None):
        answer = ask(deployment, 443, sni, host)
        assert "UNRECOGNIZED_NAME" in answer.error, (host, answer)


@pytest.mark.parametrize("path", PATHS)
def test_port_80_redirects_nobody_to_a_name_it_was_not_asked_for(
    deployment: Deployment, path: str
) -> None:
    for host in (*strange_hosts(deployment), ""):
        answer = ask(deployment, 80, None, host, path)
        assert disclosed(deployment, answer) == [], (host, answer)
        assert answer.status in {400, 421}, (host, answer)
    for name in names_of(deployment):
        answer = ask(deployment, 80, None, name, path)
        assert f"Location: https://{name}{path}" in answer.head, answer


@pytest.mark.parametrize("port", [80, 443, 8448])
def test_http_0_9_gets_nothing(deployment: Deployment, port: int) -> None:
    tls = None if port == 80 else deployment.public_name
    for path in PATHS:
        answer = send_bytes(deployment.host.ipv4, port, f"GET {path}\r\n".encode(), tls=tls)
        assert answer.head, answer
        assert disclosed(deployment, answer) == [], (path, answer)


@pytest.mark.parametrize("port", [443, 8448])
def test_the_name_in_an_absolute_address_counts(deployment: Deployment, port: int) -> None:
    """It overrules Host (RFC 9112, section 3.2.2)."""
    name = deployment.public_name
    for target, host, served in (
        (f"https://{STRANGER}{VERSIONS}", name, False),
        (f"https://{name}{VERSIONS}", STRANGER, True),
    ):
        answer = send_bytes(deployment.host.ipv4, port, request(target, host), tls=name)
        assert (answer.status == 200) is served, answer
        assert served or disclosed(deployment, answer) == [], answer


def test_every_name_of_its_own_is_served(deployment: Deployment) -> None:
    for name in names_of(deployment):
        for port in (443, 8448):
            for host in (name, f"{name}:{port}", name.upper(), f"{name}."):
                answer = ask(deployment, port, name, host)
                assert answer.status == 200, (port, host, answer)


@pytest.mark.parametrize("sni", [STRANGER, ""])
def test_federation_does_not_depend_on_the_name_in_the_handshake(
    deployment: Deployment, sni: str
) -> None:
    """Nothing in the specification demands one there, and Host has the server name."""
    for host in (deployment.server_name, f"{deployment.server_name}:8448"):
        answer = ask(deployment, 8448, sni, host, FEDERATION)
        assert answer.status == 200 and "Synapse" in answer.body, answer


OTHER = """
server {{
    listen 80 default_server;
    listen [::]:80 default_server;
    listen 443 ssl{http2} default_server;
    listen [::]:443 ssl{http2} default_server;
    listen 8448 ssl default_server;
    listen [::]:8448 ssl default_server;
    server_name other.test;
    ssl_certificate /var/lib/altpeter-matrix/placeholder/fullchain.pem;
    ssl_certificate_key /var/lib/altpeter-matrix/placeholder/privkey.pem;
    location / {{
        return 200 "the other site";
    }}
}}
"""


@pytest.mark.parametrize("place", ["conf.d/aaa.conf", "sites-enabled/zzz"])
def test_another_site_may_be_the_default(victim: Deployment, place: str) -> None:
    """Two default servers of one port would be an error that stops nginx; ours claims none."""
    host = victim.host
    http2 = " http2" if host.sh("nginx -v 2>&1").stdout.strip().endswith("1.22.1") else ""
    host.write(f"/etc/nginx/{place}", OTHER.format(http2=http2))
    try:
        host.sh("nginx -t -q && systemctl reload nginx && altpeter-matrix apply && sleep 1")
        for port, tls in ((80, None), (443, STRANGER), (443, ""), (8448, STRANGER)):
            answer = ask(victim, port, tls, STRANGER)
            assert answer.body == "the other site", (port, answer)
        for name in names_of(victim):
            assert ask(victim, 443, name, name).status == 200
            assert ask(victim, 8448, name, name).status == 200
            assert ask(victim, 80, None, name).status == 301
    finally:
        host.sh(f"rm /etc/nginx/{place}; systemctl reload nginx; sleep 1")
    assert ask(victim, 443, STRANGER, STRANGER).error
