"""Thousands of waiting clients, and the main file of nginx that makes room for them."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.clients.polls import Polls
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.lab.commands import run
from tests.hosts.lab.network import GATEWAY
from tests.hosts.people import administrator, homeserver_of, new_account
from tests.hosts.probes import VERSIONS, assert_healthy, request, wait_until_serving
from tests.hosts.status import status_of
from tests.hosts.test_attacks_held import assert_the_rest_answers

SITE = "/var/lib/altpeter-matrix/current/nginx/site.conf"
MAIN = "/etc/nginx/altpeter-matrix.conf"
CONF = "/etc/nginx/nginx.conf"


@pytest.fixture(scope="module")
def server(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    found = clone(deployment, "crowded")
    wait_until_serving(found)
    return found


def addresses(host: Host) -> list[tuple[str, str]]:
    """Where clients come from and go to: the controller's IPv4 and IPv6 address."""
    subnet = host.identity.subnet
    return [(subnet.ipv4(GATEWAY), host.ipv4), (subnet.ipv6(GATEWAY), host.ipv6)]


def polls(server: Deployment, number: int, *more: tuple[str, str]) -> Polls:
    account = new_account(server, "crowd")
    tokens = [account.login() for _ in range(3)]
    return Polls(homeserver_of(server), tokens, number, [*addresses(server.host), *more])


def assert_served(server: Deployment, crowd: Polls) -> None:
    """What others do meanwhile goes on as ever, and nobody of the crowd is turned away."""
    began = time.monotonic()
    for _ in range(5):
        assert administrator(server).login()
        assert homeserver_of(server).request("GET", VERSIONS).status == 200
    took = time.monotonic() - began
    assert_the_rest_answers(server)
    print(f"Debian {server.host.debian}: {crowd}; five logins took {took:.1f} s")
    assert took < 30
    assert not crowd.failures
    assert crowd.open == crowd.number


def test_two_thousand_polls_wait_beside_normal_traffic(server: Deployment) -> None:
    """760 were answered with Debian's limit on two processors."""
    with polls(server, 2000) as crowd:
        assert_served(server, crowd)


@pytest.mark.upgrades
def test_ten_thousand_polls_wait_also_across_a_restart(server: Deployment) -> None:
    host = server.host
    with further_addresses(host, 8) as more, polls(server, 10_000, *more) as crowd:
        assert_served(server, crowd)
        host.run("systemctl", "restart", "matrix-synapse")
        wait_until_serving(server, within=90)
        time.sleep(60)
        assert_served(server, crowd)


@contextmanager
def further_addresses(host: Host, number: int) -> Iterator[list[tuple[str, str]]]:
    """More clients' addresses on the controller: one may have 2000 requests open."""
    subnet = host.identity.subnet
    (route,) = re.findall(r" dev (\S+)", run("ip", "route", "get", host.ipv4).stdout)
    own = [subnet.ipv4(200 + one) for one in range(number)]
    for address in own:
        run("ip", "address", "add", f"{address}/24", "dev", route)
    try:
        yield [(address, host.ipv4) for address in own]
    finally:
        for address in own:
            run("ip", "address", "delete", f"{address}/24", "dev", route)


@pytest.mark.parametrize(("zone", "limit"), [("requests", 12000), ("address", 2000)])
def test_beyond_the_limit_a_client_is_told_to_come_back(
    server: Deployment, zone: str, limit: int
) -> None:
    host, homeserver = server.host, homeserver_of(server)
    zone = f"altpeter_matrix_{zone}"
    host.sh(f"cp -p {SITE} /root/site.conf; sed -i 's/ {zone} {limit};/ {zone} 20;/' {SITE}")
    try:
        host.run("systemctl", "reload", "nginx")
        crowd = polls(server, 20)
        crowd.addresses = addresses(host)[:1]
        with crowd:
            answer = homeserver.request("GET", VERSIONS)
            assert_the_rest_answers(server)
    finally:
        host.sh(f"cp -p /root/site.conf {SITE}; systemctl reload nginx")
    assert answer.status == 429
    assert answer.json["errcode"] == "M_LIMIT_EXCEEDED"
    assert answer.headers["retry-after"] == "10"
    assert answer.headers["access-control-allow-origin"] == "*"


def main_file(host: Host) -> str:
    """Which main file the running nginx was started with."""
    line = host.sh("tr '\\0' ' ' < /proc/$(cat /run/nginx.pid)/cmdline").stdout
    found = re.search(r" -c (\S+)", line)
    return found[1] if found else CONF


def test_a_deployed_nginx_has_room(server: Deployment) -> None:
    assert main_file(server.host) == MAIN
    assert "worker_connections 768;" in server.host.read(CONF), "Debian's file was touched"
    assert server.host.run("dpkg", "--verify", "nginx-common").stdout == ""


def test_debians_unit_is_the_one_that_the_drop_in_replaces_a_part_of(server: Deployment) -> None:
    unit = server.host.read("/lib/systemd/system/nginx.service")
    nginx = "/usr/sbin/nginx -g 'daemon on; master_process on;'"
    lines = [line for line in unit.splitlines() if line.startswith(("ExecStart=", "ExecReload="))]
    assert lines == [f"ExecStart={nginx}", f"ExecReload={nginx} -s reload"]
    assert "Type=forking" in unit


@pytest.mark.parametrize(
    "reload",
    [
        "systemctl reload nginx",
        # As certbot's plugin does, right after its change.
        "nginx -c /etc/nginx/nginx.conf -s reload",
    ],
)
def test_a_change_of_nginx_conf_takes_effect_at_the_next_reload(
    server: Deployment, reload: str
) -> None:
    """Also of what is named without a path, which nginx looks for beside its main file."""
    host = server.host
    site = "server { listen 127.0.0.1:9090; location / { return 200 added; } }"
    host.write("/etc/nginx/snippets/added.conf", site)
    host.sh(f"cp -p {CONF} /root/nginx.conf")
    try:
        host.sh(f"sed -i 's|^http {{|&\\ninclude snippets/added.conf;|' {CONF}; {reload}")
        assert wait_for_9090(host) == "added"
        assert main_file(host) == MAIN
    finally:
        host.sh(
            f"cp -p /root/nginx.conf {CONF}; rm /etc/nginx/snippets/added.conf; nginx -t; {reload}"
        )
    assert wait_for_9090(host, gone=True) is None


def wait_for_9090(host: Host, gone: bool = False) -> str | None:
    """What is answered there, once the reload has had its time."""
    end = time.monotonic() + 10
    while True:
        got = host.run("python3", "-c", GET_9090, check=False)
        found = got.stdout.strip() if got.returncode == 0 else None
        if (found is None) is gone or time.monotonic() > end:
            return found
        time.sleep(0.3)


GET_9090 = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9090/", timeout=5).read().decode())
"""


def test_nginx_replaces_its_program_in_place(server: Deployment) -> None:
    """As its package does at an upgrade."""
    host = server.host
    before = host.read("/run/nginx.pid")
    host.run("invoke-rc.d", "nginx", "upgrade")
    host.run("invoke-rc.d", "nginx", "rotate")
    assert host.read("/run/nginx.pid") != before
    assert main_file(host) == MAIN
    assert_healthy(server)


@pytest.mark.parametrize(
    ("spoil", "repair"),
    [
        (f"rm {MAIN}", f"ln -s /run/altpeter-matrix/nginx.conf {MAIN}"),
        ("mv /usr/bin/python3 /usr/bin/python3.away", "mv /usr/bin/python3.away /usr/bin/python3"),
    ],
)
def test_nginx_starts_whatever_is_missing_of_ours(
    server: Deployment, spoil: str, repair: str
) -> None:
    host = server.host
    host.sh(spoil)
    try:
        host.run("systemctl", "restart", "nginx")
        assert main_file(host) == CONF
        assert request(server).status == 200
        host.run("systemctl", "reload", "nginx")
    finally:
        host.sh(repair)
    status = status_of(host).stdout
    assert "was started before it had room" in status
    host.run("systemctl", "restart", "nginx")
    assert main_file(host) == MAIN
    assert "had room" not in status_of(host).stdout
