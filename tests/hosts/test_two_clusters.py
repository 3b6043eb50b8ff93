"""Two PostgreSQL clusters on one host: apply never makes an empty database in the wrong one."""

from collections.abc import Callable

import pytest

from tests.hosts.database_moves import databases
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.probes import assert_healthy, wait_until_serving

pytestmark = pytest.mark.upgrades

SETTINGS = "/etc/altpeter-matrix/settings.yaml"
RECORD = "/var/lib/altpeter-matrix/database.json"


def set_ports(host: Host, **ports: int) -> None:
    for name, port in ports.items():
        host.run("pg_conftool", "17", name, "set", "port", str(port))
    host.run("systemctl", "stop", *(f"postgresql@17-{name}" for name in ports))
    host.run("systemctl", "start", *(f"postgresql@17-{name}" for name in ports))


@pytest.fixture(scope="module")
def confused(debian13: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    """A server on whose port an empty cluster answers, while Synapse's is on another one."""
    server = clone(debian13, "clusters", dns=True)
    wait_until_serving(server)
    host = server.host
    host.run("pg_createcluster", "--start", "17", "other")
    set_ports(host, main=5434, other=5432)
    host.write(SETTINGS, f"{host.read(SETTINGS)}\nwell_known: {{client: {{test.clusters: 1}}}}\n")
    return server


@pytest.mark.parametrize("recorded", [True, False])
def test_apply_makes_no_database_in_the_wrong_cluster(confused: Deployment, recorded: bool) -> None:
    """Also on a server that an earlier version deployed, which kept no record."""
    host = confused.host
    kept = host.read(RECORD)
    if not recorded:
        host.run("rm", RECORD)
    refused = host.run("altpeter-matrix", "apply", check=False)
    host.write(RECORD, kept)
    assert refused.returncode == 1
    assert "is not in the cluster that answers on port 5432" in refused.stderr
    assert ("/var/lib/postgresql/17/main before" in refused.stderr) == recorded
    assert "pg_lsclusters" in refused.stderr
    assert "synapse" not in databases(host, 5432)
    assert "synapse" in databases(host, 5434)


def test_an_empty_database_in_the_wrong_cluster_is_not_taken_for_the_server(
    confused: Deployment,
) -> None:
    host = confused.host
    psql = ("runuser", "-u", "postgres", "--")
    host.run(*psql, "createuser", "matrix-synapse")
    host.run(*psql, "createdb", "--encoding=UTF8", "--locale=C", "--template=template0",
             "--owner=matrix-synapse", "synapse")  # fmt: skip
    refused = host.run("altpeter-matrix", "apply", check=False)
    assert refused.returncode == 1 and "or is empty there" in refused.stderr


def test_all_is_well_once_the_right_cluster_is_back(confused: Deployment) -> None:
    host = confused.host
    set_ports(host, other=5434, main=5432)
    host.run("altpeter-matrix", "apply")
    host.run("systemctl", "restart", "matrix-synapse")
    wait_until_serving(confused)
    assert_healthy(confused)
