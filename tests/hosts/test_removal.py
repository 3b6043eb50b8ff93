"""``apt remove`` and ``apt purge``: what stays, what goes."""

from collections.abc import Callable

import pytest

from tests.hosts.deployments import TOP, Deployment
from tests.hosts.lab import Host
from tests.hosts.probes import assert_healthy, login, request, wait_until_serving

PACKAGE = "altpeter-matrix-config"
APT = "DEBIAN_FRONTEND=noninteractive apt-get -y -q"
PRECIOUS = ("/etc/matrix-synapse/homeserver.signing.key", "/etc/letsencrypt/live")

# PostgreSQL and Synapse make and remove files while find looks.
LIVE = "-ignore_readdir_race -xdev"
# Asks Synapse itself, since nginx has no site for it any more.
WHO_AM_I = """
import sys, urllib.request
url = "http://127.0.0.1:8008/_matrix/client/v3/account/whoami"
request = urllib.request.Request(url, headers={"Authorization": f"Bearer {sys.argv[1]}"})
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


@pytest.fixture(scope="module", params=["debian12", "debian13"])
def server(request: pytest.FixtureRequest, clone: Callable[..., Deployment]) -> Deployment:
    """A clone that holds a user's data: an account, an upload."""
    original: Deployment = request.getfixturevalue(request.param)
    server = clone(original, "removal")
    wait_until_serving(server)
    server.host.sh(
        "install -d -o matrix-synapse /var/lib/matrix-synapse/media/local_content; "
        "echo precious > /var/lib/matrix-synapse/media/local_content/picture"
    )
    return server


def users(host: Host) -> int:
    count = host.run(
        "runuser", "-u", "postgres", "--", "psql", "-d", "synapse", "-Atc",
        "select count(*) from users",
    )  # fmt: skip
    return int(count.stdout)


def assert_data_is_there(host: Host) -> None:
    assert users(host) >= 1
    assert host.read("/var/lib/matrix-synapse/media/local_content/picture") == "precious\n"
    for path in PRECIOUS:
        host.run("test", "-e", path)
    assert host.sh("find /etc/letsencrypt/archive -name 'privkey*.pem'").stdout


def assert_nginx_and_synapse_run(host: Host) -> None:
    """Not only do they still run: they start again."""
    host.run("nginx", "-t")
    host.run("systemctl", "restart", "nginx", "matrix-synapse")
    active = host.run("systemctl", "is-active", "nginx", "matrix-synapse").stdout.split()
    assert active == ["active", "active"]


# The tests of this module are one story, told in order on each release.


def test_removal_leaves_nginx_and_synapse_running_on_the_same_data(server: Deployment) -> None:
    host = server.host
    token = login(server)
    before = users(host)
    host.sh(f"{APT} remove {PACKAGE}")
    assert_nginx_and_synapse_run(host)
    assert_data_is_there(host)
    assert users(host) == before
    # Synapse itself still answers, with the same accounts and sessions, on PostgreSQL.
    assert server.administrator in host.run("python3", "-c", WHO_AM_I, token).stdout
    assert host.sh(f"find / {LIVE} -name 'homeserver.db*'").stdout == ""


def test_the_site_is_gone_from_nginx_after_removal(server: Deployment) -> None:
    enabled = server.host.run("ls", "/etc/nginx/sites-enabled").stdout.split()
    assert "altpeter-matrix" not in enabled


def test_a_new_installation_serves_again(server: Deployment) -> None:
    package = install(server.host)
    assert_healthy(server)
    assert_data_is_there(server.host)
    assert request(server).status == 200
    assert package


def test_purge_leaves_nothing_of_ours_and_all_data(server: Deployment) -> None:
    host = server.host
    shipped = set(host.run("dpkg", "-L", PACKAGE).stdout.split())
    host.sh(f"{APT} purge {PACKAGE}")
    named = host.sh(
        f"find / {LIVE} \\( -path /proc -o -path /sys -o -path /root \\) -prune -o "
        "-name '*altpeter*' ! -name 'altpeter-lab*' -print"
    ).stdout.split()
    assert named == []
    dangling = host.sh(
        f"find /etc /var/lib /usr/lib/systemd {LIVE} -xtype l -lname '*altpeter*'"
    ).stdout
    assert dangling == ""
    owned = [path for path in shipped if path != "/."]
    left = host.run(
        "python3", "-c",
        "import os, sys; print([p for p in sys.argv[1:] if os.path.lexists(p)"
        " and not os.path.isdir(p)])",
        *owned,
    ).stdout  # fmt: skip
    assert left.strip() == "[]"
    assert_data_is_there(host)
    assert host.sh("ls /var/lib/dpkg/info").stdout.count(PACKAGE) == 0


def test_nginx_runs_after_purge(server: Deployment) -> None:
    server.host.run("nginx", "-t")
    server.host.run("systemctl", "restart", "nginx")


def install(host: Host) -> str:
    """Install the package from dist/ with apt alone; its name there."""
    (package,) = sorted((TOP / "dist").glob(f"{PACKAGE}_*_all.deb"))[-1:]
    (host.root / "root" / package.name).write_bytes(package.read_bytes())
    host.sh(f"{APT} install --reinstall /root/{package.name} </dev/null", timeout=600)
    host.run("rm", f"/root/{package.name}")
    return package.name
