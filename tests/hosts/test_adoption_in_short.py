"""The deploy takes over a server that was set up by hand, in a minute: the long form, with a server
built after the wiki page, is test_adoption_by_deploy.py."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.hosts.deployments import (
    Deployment,
    operations_changed,
    run_pyinfra,
    write_inventory,
)
from tests.hosts.fleet import Fleet
from tests.hosts.handmade import (
    ADDED,
    EDIT,
    HOMESERVER,
    REGISTRATION_SECRET,
    SITE,
    SQLITE,
    agreeing,
)
from tests.hosts.lab import Lab
from tests.hosts.probes import Answer, difference, login, request, state_of, wait_until_serving

WHO_AM_I = "/_matrix/client/v3/account/whoami"
SERVED_BY = ("/etc/matrix-synapse", "/etc/nginx", "/etc/letsencrypt", "/etc/apt")
# The one that the deploy made, given to a role with a password, which Synapse's user cannot be.
DATABASE = """\
database:
  name: psycopg2
  args: {user: matrix, password: of-the-role, database: synapse, host: 127.0.0.1}
"""
ROLE = """\
CREATE ROLE matrix LOGIN PASSWORD 'of-the-role';
REASSIGN OWNED BY "matrix-synapse" TO matrix;
REVOKE CONNECT ON DATABASE synapse FROM public;
DROP ROLE "matrix-synapse";
"""


def set_up_by_hand(server: Deployment) -> None:
    """What is left of a deployed server without our package, served as by hand: on SQLite."""
    host = server.host
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge altpeter-matrix-config 2>&1")
    site = SITE.replace("live/altpeter.me", f"live/{server.public_name}")
    host.write("/etc/nginx/sites-available/matrix", site.replace("altpeter.me", "beta.test"))
    host.sh(
        "ln -s ../sites-available/matrix /etc/nginx/sites-enabled/; systemctl restart nginx; "
        "mkdir -p /etc/letsencrypt/renewal-hooks/deploy"  # as certbot does
    )
    edit(server, SQLITE, ADDED)


def edit(server: Deployment, database: str, added: str = "") -> None:
    """Have Synapse serve from this database."""
    server.host.run("python3", "-c", EDIT, database, added)
    server.host.run("systemctl", "restart", "matrix-synapse")
    wait_until_serving(server)


def is_known(server: Deployment, token: str) -> Answer:
    """The answer to a device that was logged in before."""
    wait_until_serving(server)
    answer = request(server, WHO_AM_I, token=token)
    assert answer.json().get("user_id") == server.administrator, answer.body
    return answer


def test_the_deploy_adopts_a_server_and_its_undo_gives_it_back(
    debian13: Deployment, fleet: Fleet, lab: Lab, clone: Callable[..., Deployment], tmp_path: Path
) -> None:
    server = clone(debian13, "adopted", dns=True)
    wait_until_serving(server)
    host, token = server.host, login(server)
    settings = agreeing(lab, server.server_name, "beta.test")

    inventory = write_inventory(tmp_path, {host: settings}, **fleet.data(server), adopt=True)

    def deploy(check: bool = True) -> "subprocess.CompletedProcess[str]":
        return run_pyinfra(inventory, "-y", "--json", check=check)

    set_up_by_hand(server)
    before = state_of(host)
    refused = deploy(check=False)
    # PostgreSQL was asked, by a tool of which nothing is installed.
    words = "PostgreSQL database synapse: holds a server already"
    assert refused.returncode != 0 and words in refused.stderr, refused
    assert not difference(before, state_of(host))

    host.run("runuser", "-u", "postgres", "--", "psql", "--quiet", "synapse", input=ROLE)
    edit(server, DATABASE)
    served, before = is_known(server, token), state_of(host)
    adopted = deploy()
    assert "can be adopted" in adopted.stderr
    assert "Take over the server as it was set up" in operations_changed(adopted)
    assert is_known(server, token).certificate == served.certificate
    assert REGISTRATION_SECRET not in host.read(HOMESERVER)
    assert operations_changed(deploy()) == []

    host.run("altpeter-matrix", "adopt", "--undo")
    is_known(server, token)
    left = difference(before, state_of(host))
    assert not {key: value for key, value in left.items() if key.startswith(SERVED_BY)}
