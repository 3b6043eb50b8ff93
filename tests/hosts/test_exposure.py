"""What another host on the network can reach, over IPv4 and IPv6: the named ports, no more.

The probes are sent from a lab host of their own. An answer is judged by what it says, not by its
status, and the same judgement is shown to find the guarded services where they do answer: on the
server's own loopback interface.
"""

import json
import socket
import ssl
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.clients import raw_http
from tests.clients.raw_http import Probe, RawAnswer
from tests.hosts.attack_paths import GUARDED, METRICS, disclosed, variants
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host, Lab
from tests.hosts.people import administrator, homeserver_of
from tests.hosts.port_scans import OPEN, open_ports
from tests.hosts.probes import wait_until_serving

LOOPBACK_ONLY = {5432, 8008, 9000}
FAMILIES = ["ipv4", "ipv6"]
PROBER = Path(raw_http.__file__).read_text()
VERSIONS = "/_matrix/client/versions"


# pytest runs all tests of one server before those of the other, across modules: what is wanted
# once for both belongs to the session.
@pytest.fixture(scope="session")
def outside(lab: Lab) -> Host:
    """Somebody else's host on the same network."""
    host = lab.host("outside", debian="13")
    install = "DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends"
    host.sh(f"apt-get -q update; {install} nmap curl")
    return host


@pytest.fixture(scope="session")
def token_of() -> Callable[[Deployment], str]:
    """The administrator's access token, one per server: with it the admin API answers in full."""
    tokens: dict[str, str] = {}

    def token(deployment: Deployment) -> str:
        if deployment.server_name not in tokens:
            tokens[deployment.server_name] = administrator(deployment).login()
        return tokens[deployment.server_name]

    return token


def send_from(host: Host, probes: Iterable[Probe]) -> list[RawAnswer]:
    """Send raw requests from a lab host."""
    asked = json.dumps([asdict(probe) for probe in probes])
    result = host.run("python3", "-c", PROBER, input=asked, timeout=600)
    return [RawAnswer(**answer) for answer in json.loads(result.stdout)]


def ask_again_if_failed(host: Host, probe: Probe) -> RawAnswer:
    """Synapse counts in one thread and tells in another, which at times finds the numbers changing
    under it and fails that one answer: element-hq/synapse#19961."""
    for _ in range(5):
        (answer,) = send_from(host, [probe])
        if answer.status != 500:
            break
    return answer


def authorized(token: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"),)


@pytest.fixture(scope="session")
def scans(both: tuple[Deployment, ...], outside: Host) -> dict[str, set[int]]:
    """The open ports of each address; a scan mostly waits, so they go side by side."""
    hosts = [deployment.host for deployment in both]
    addresses = [getattr(host, family) for host in hosts for family in FAMILIES]
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda address: open_ports(outside, address), addresses)
        return dict(zip(addresses, found, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_exactly_the_named_ports_are_open(
    deployment: Deployment, scans: dict[str, set[int]], family: str
) -> None:
    assert scans[getattr(deployment.host, family)] == OPEN


def test_what_is_closed_listens_on_loopback_only(deployment: Deployment) -> None:
    """The scan did not pass because nothing ran, and not because of the firewall alone."""
    listening = deployment.host.run("ss", "-Hltn").stdout.splitlines()
    sockets = [line.split()[3].rpartition(":") for line in listening]
    inside = {int(port) for address, _, port in sockets if address in {"127.0.0.1", "[::1]"}}
    outward = {int(port) for address, _, port in sockets if address not in {"127.0.0.1", "[::1]"}}
    assert inside >= LOOPBACK_ONLY
    assert outward == OPEN


def test_the_judgement_finds_the_guarded_services_where_they_answer(
    deployment: Deployment, token_of: Callable[[Deployment], str]
) -> None:
    headers = authorized(token_of(deployment))
    probes = [
        Probe(
            "127.0.0.1", 9000 if path == METRICS else 8008, f"/{path}", "localhost", headers=headers
        )
        for path in GUARDED
    ]
    for probe in probes:
        answer = ask_again_if_failed(deployment.host, probe)
        assert disclosed(answer.body), (probe, answer)


# The reverse proxy of Synapse's own documentation; it matches decoded paths, forwards raw ones.
CARELESS_SITE = """
pid /tmp/careless/pid;
events {}
http {
    access_log off;
    client_body_temp_path /tmp/careless/body;
    proxy_temp_path /tmp/careless/proxy;
    fastcgi_temp_path /tmp/careless/fastcgi;
    uwsgi_temp_path /tmp/careless/uwsgi;
    scgi_temp_path /tmp/careless/scgi;
    server {
        listen 127.0.0.1:8181;
        location ~ ^(/_matrix|/_synapse/client) {
            proxy_pass http://127.0.0.1:8008;
            proxy_set_header Host $host;
        }
    }
}
"""


def test_the_paths_do_get_through_a_careless_proxy(
    debian13: Deployment, token_of: Callable[[Deployment], str]
) -> None:
    """So that the test below can fail."""
    host = debian13.host
    host.write("/tmp/careless/nginx.conf", CARELESS_SITE)
    # Not as root: that would give the directories of the real nginx to another user.
    as_nobody = ["runuser", "-u", "nobody", "--", "nginx"]
    host.run("chown", "nobody", "/tmp/careless")
    host.run(*as_nobody, "-e", "/tmp/careless/errors", "-c", "/tmp/careless/nginx.conf")
    try:
        probes = [
            Probe("127.0.0.1", 8181, target, "localhost", headers=headers)
            for path in GUARDED
            for target in variants(path, "localhost")
            for headers in ((), authorized(token_of(debian13)))
        ]
        answers = send_from(host, probes)
    finally:
        host.sh("kill $(cat /tmp/careless/pid); rm -r /tmp/careless")
    assert any(disclosed(answer.body) for answer in answers)
    plain = [a for p, a in zip(probes, answers, strict=True) if p.target == f"/{GUARDED[0]}"]
    assert not any(disclosed(answer.body) for answer in plain), "it does not even look guarded"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("port", [80, 443, 8448])
def test_no_way_to_write_a_path_reaches_the_admin_api_or_metrics(
    deployment: Deployment,
    outside: Host,
    token_of: Callable[[Deployment], str],
    port: int,
    family: str,
) -> None:
    token = authorized(token_of(deployment))
    address = getattr(deployment.host, family)
    name = deployment.public_name
    tls = None if port == 80 else name
    written = [target for path in GUARDED for target in variants(path, name)]
    assert len(written) >= 30 * len(GUARDED)
    hosts = [name, deployment.server_name, "localhost", "127.0.0.1", address, ""]
    methods = ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "GETX"]
    probes = [Probe(address, port, to, name, tls, headers=token) for to in written]
    probes += [Probe(address, port, to, name, tls) for to in written]
    for path in GUARDED:
        target = f"/{path}"
        probes += [Probe(address, port, target, host, tls, headers=token) for host in hosts]
        probes += [Probe(address, port, target, name, tls, method, token) for method in methods]
    control = Probe(address, port, VERSIONS, name, tls)
    *answers, served = send_from(outside, [*probes, control])

    asked = list(zip(probes, answers, strict=True))
    assert [(probe, answer) for probe, answer in asked if disclosed(answer.body)] == []
    assert [(probe, answer) for probe, answer in asked if answer.status == 0] == [], "no answer"
    if port == 80:
        assert served.status in {301, 308}
    else:
        assert served.status == 200
        assert '"versions"' in served.body


@pytest.mark.parametrize("port", [443, 8448])
def test_http2_does_not_reach_them_either(
    deployment: Deployment, outside: Host, token_of: Callable[[Deployment], str], port: int
) -> None:
    """HTTP/2 has another parser in nginx; curl leaves these paths as they are written."""
    name = deployment.public_name
    base = f"https://{name}:{port}"
    targets = [target for path in GUARDED for target in variants(path, name) if target[0] == "/"]
    config = "\n".join(
        [f'header = "Authorization: Bearer {token_of(deployment)}"', "insecure", "path-as-is"]
        + ["http2", "globoff", f'resolve = "{name}:{port}:{deployment.host.ipv4}"']
        + [r'write-out = "\nspoken: HTTP/%{http_version}\n"']
        + [f'url = "{base}{target.split("#")[0]}"'.replace("\\", "\\\\") for target in targets]
        + [f'url = "{base}{VERSIONS}"']
    )
    answers = outside.run("curl", "--silent", "--config", "-", input=config, check=False).stdout
    assert '"versions"' in answers
    # nginx 1.22 can do it on one port only, and clients use this one.
    assert port != 443 or answers.count("spoken: HTTP/2\n") > len(targets) / 2
    assert disclosed(answers) == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("port", [443, 8448])
def test_only_tls_1_2_and_1_3_are_spoken(deployment: Deployment, port: int) -> None:
    """Debian 12's own nginx.conf allows older ones."""

    def spoken(version: ssl.TLSVersion) -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(deployment.ca_file)
        # Else this side would refuse the old ones.
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        name = deployment.public_name
        with (
            socket.create_connection((deployment.host.ipv4, port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            return tls.version()

    assert spoken(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert spoken(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            spoken(old)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("document", ["server", "client", "support", "nonsense", "../matrix/x"])
def test_well_known_answers_can_be_read_by_web_clients_errors_too(
    deployment: Deployment, document: str, method: str
) -> None:
    homeserver = homeserver_of(deployment)
    for name in (deployment.public_name, deployment.server_name):
        answer = homeserver.request(method, f"/.well-known/matrix/{document}", name=name)
        assert answer.headers.get("access-control-allow-origin") == "*", (name, answer)
        if method == "GET" and document in {"server", "client"}:
            assert answer.status == 200, (name, answer)
            assert answer.headers["content-type"].startswith("application/json"), answer
        if document == "nonsense":
            assert answer.status in {404, 405}, (name, answer)


def test_while_synapse_is_down_web_clients_can_read_that(debian13: Deployment) -> None:
    homeserver, host = homeserver_of(debian13), debian13.host
    # Without the hold, so that the answer comes at once (test_no_request_lost.py has it with).
    host.run("systemctl", "stop", "matrix-synapse", "altpeter-matrix-hold.socket")
    try:
        answer = homeserver.request("GET", VERSIONS)
        document = homeserver.request("GET", "/.well-known/matrix/client")
    finally:
        host.run("systemctl", "start", "matrix-synapse", "altpeter-matrix-hold.socket")
        wait_until_serving(debian13)
    assert answer.status == 503, answer
    assert "errcode" in answer.json
    assert answer.headers["access-control-allow-origin"] == "*"
    assert document.status == 200
