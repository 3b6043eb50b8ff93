"""Two homeservers: alpha.test, delegated, on Debian 12 and matrix.beta.test on Debian 13."""

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.encrypted_chat import Chat, join_by_invitation, say_and_hear
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host, Lab
from tests.hosts.people import change_settings, homeserver_of, new_account
from tests.hosts.probes import wait_until_serving
from tests.hosts.status import status_of

Both = tuple[Deployment, Deployment]
Join = Callable[[Chat, Chat], Coroutine[Any, Any, str]]
SRV = "_matrix-fed._tcp.alpha.test"
# The web server of alpha.test: first what certbot needs, then what the server asks for.
PLAIN_SITE = "server {{ listen 80; listen [::]:80; server_name {name}; root /var/www/html; }}\n"
SITE = """
server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name {name};
    ssl_certificate /etc/letsencrypt/live/{name}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{name}/privkey.pem;
    {locations}
}}
"""
LOCATION = """location = {path} {{
        default_type application/json;
        add_header Access-Control-Allow-Origin "*" always;
        return 200 '{body}';
    }}
"""


async def join_by_alias(host: Chat, guest: Chat) -> str:
    name = f"meeting-{secrets.token_hex(3)}"
    room = await host.create_encrypted_room(alias=name, public=True)
    joined = await guest.join(f"#{name}:{host.account.homeserver.server_name}")
    assert joined == room
    return room


async def join_by_room_id(host: Chat, guest: Chat) -> str:
    """A room ID of room version 12 has no domain, so the way there is named."""
    room = await host.create_encrypted_room(public=True)
    assert ":" not in room
    return await guest.join(room, via=host.account.homeserver.server_name)


def meet(
    server: Deployment,
    other: Deployment,
    join: Join,
    folder: Path,
) -> None:
    """A user of ``other`` joins a room of ``server``; both speak and hear, encrypted."""

    async def conversation() -> None:
        async with (
            Chat(new_account(server, "host"), folder / "host") as host,
            Chat(new_account(other, "guest"), folder / "guest") as guest,
        ):
            room = await join(host, guest)
            await say_and_hear(host, guest, room, f"Welcome to {server.server_name}")
            await say_and_hear(guest, host, room, f"Greetings from {other.server_name}")

    asyncio.run(conversation())


@pytest.mark.parametrize("direction", ["alpha-to-beta", "beta-to-alpha"])
@pytest.mark.parametrize("join", [join_by_alias, join_by_room_id, join_by_invitation])
def test_users_of_two_servers_talk_encrypted(
    both: Both,
    join: Join,
    direction: str,
    tmp_path: Path,
) -> None:
    server, other = both if direction == "alpha-to-beta" else reversed(both)
    meet(server, other, join, tmp_path)


def sanity_report(lab: Lab, server_name: str) -> list[str]:
    """What the public sanity tester says, line by line; it always exits with 0."""
    tester = Path(sys.executable).with_name("testmatrix")
    result = subprocess.run(
        lab.client_argv("env", f"REQUESTS_CA_BUNDLE={lab.ca_file}", str(tester), server_name),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return f"{result.stdout}{result.stderr}".splitlines()


def test_testmatrix_is_green(lab: Lab, deployment: Deployment) -> None:
    said = sanity_report(lab, deployment.server_name)
    report = "\n".join(said)
    assert [line for line in said if "𐄂" in line] == [], report
    for line in (
        "✔ Server well-known exists",
        "✔ Client well-known has proper CORS header",
        "✔ Federation API endpoints seem to work fine",
        "✔ Client API endpoints seem to work fine",
        "✔ Direct registration and guest access forbidden",
    ):
        assert line in report, report


def test_testmatrix_can_be_red(lab: Lab, debian13: Deployment) -> None:
    """Its crosses are how the test above sees a fault: here an alias is taken for a server name."""
    said = sanity_report(lab, debian13.settings["aliases"][0])
    assert [line for line in said if "𐄂" in line], said


@pytest.fixture
def alpha_by_srv(lab: Lab, both: Both, clone: Callable[..., Deployment]) -> Iterator[Deployment]:
    """alpha.test without well-known: only its SRV record leads to matrix.alpha.test:8448."""
    alpha, beta = both
    server = clone(alpha, "srv", dns=True)
    change_settings(server, federation={"delegation": "srv"})
    try:
        lab.dns_remove("alpha.test")
        lab.dns_srv(SRV, "matrix.alpha.test", 8448)
        restart_synapse(beta)  # it remembers well-known documents and addresses
        yield server
    finally:
        lab.dns_remove(SRV)
        lab.dns("alpha.test", alpha.host)
        lab.dns("matrix.alpha.test", alpha.host)
        restart_synapse(beta)


def restart_synapse(deployment: Deployment) -> None:
    deployment.host.run("systemctl", "restart", "matrix-synapse")
    wait_until_serving(deployment)


def test_federation_works_through_srv_without_well_known(
    both: Both, alpha_by_srv: Deployment, tmp_path: Path
) -> None:
    _, beta = both
    well_known = homeserver_of(alpha_by_srv).request(
        "GET", "/.well-known/matrix/server", name="alpha.test"
    )
    assert well_known.status == 404, well_known
    meet(alpha_by_srv, beta, join_by_alias, tmp_path / "alias")
    meet(beta, alpha_by_srv, join_by_room_id, tmp_path / "room-id")


@pytest.fixture
def alpha_and_its_web_server(
    lab: Lab, both: Both, clone: Callable[..., Deployment]
) -> Iterator[tuple[Deployment, Host]]:
    """alpha.test is another web server, which answers what `altpeter-matrix records` tells."""
    alpha, beta = both
    web = clone(beta, "web").host
    server = clone(alpha, "elsewhere", dns=True)
    change_settings(server, federation={"delegation": "elsewhere"})
    try:
        lab.dns("alpha.test", web)
        told = json.loads(server.host.run("altpeter-matrix", "records", "--json").stdout)
        serve(web, lab.services.acme_directory, "alpha.test", told["documents"])
        restart_synapse(beta)
        yield server, web
    finally:
        lab.dns("alpha.test", alpha.host)
        restart_synapse(beta)


def serve(web: Host, directory: str, name: str, documents: Sequence[Mapping[str, str]]) -> None:
    """Answer with these documents under that name, on a host that has nginx and certbot."""
    site = "/etc/nginx/sites-enabled/elsewhere"
    plain = PLAIN_SITE.format(name=name)
    web.write(site, plain)
    web.run("systemctl", "reload", "nginx")
    # A new account: the lab's ACME server knows none of an earlier run, whose clone this may be.
    web.run("rm", "-r", "/etc/letsencrypt/accounts")
    web.run(
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--server", directory),
        *("--register-unsafely-without-email", "--webroot", "-w", "/var/www/html", "-d", name),
    )
    locations = "".join(
        LOCATION.format(path=urlsplit(one["url"]).path, body=one["body"]) for one in documents
    )
    web.write(site, plain + SITE.format(name=name, locations=locations))
    web.run("systemctl", "reload", "nginx")


@pytest.mark.upgrades
def test_federation_works_through_well_known_documents_elsewhere(
    lab: Lab,
    both: Both,
    alpha_and_its_web_server: tuple[Deployment, Host],
    tmp_path: Path,
) -> None:
    _, beta = both
    alpha, web = alpha_and_its_web_server
    status = status_of(alpha.host)
    assert status.returncode == 0, status.stdout
    meet(alpha, beta, join_by_alias, tmp_path / "alias")
    meet(beta, alpha, join_by_room_id, tmp_path / "room-id")
    assert "GET /.well-known/matrix/server" in web.read("/var/log/nginx/access.log")
    assert [line for line in sanity_report(lab, "alpha.test") if "𐄂" in line] == []
