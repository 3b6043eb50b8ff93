"""Synapse's role has put code into its database, and that is moved to a newer PostgreSQL.

As the database's own tools make everything anew as superuser, they would run it.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.hosts.attacks import attacker
from tests.hosts.attacks_database import (
    ATTACK,
    MOVED,
    as_superuser,
    as_synapse,
    struck,
)
from tests.hosts.database_moves import STANDSTILL, clusters, upgrade
from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host
from tests.hosts.probes import assert_healthy, wait_until_serving
from tests.hosts.released import released

pytestmark = pytest.mark.upgrades

WAYS = {
    "aggregate", "check-of-a-row", "generated", "literal", "partition-bound", "partition-key",
}  # fmt: skip
# As the role itself can: it owns all of it.
CLEAN = """
drop schema evil cascade;
alter table users disable row level security, no force row level security;
alter table users drop column if exists struck;
alter database synapse reset search_path;
alter role "matrix-synapse" reset search_path;
alter role "matrix-synapse" in database synapse reset search_path;
"""
# Once nothing of Synapse's runs any more, and the first look was taken.
LATE = f"""
until [ -e {STANDSTILL} ]; do sleep 0.01; done
until psql -Xq --set=ON_ERROR_STOP=1 --single-transaction -d synapse -f /srv/evil.sql; do :; done
"""


@pytest.fixture(scope="module")
def server(
    fleet: Fleet, debian12: Deployment, clone: Callable[..., Deployment]
) -> Iterator[Deployment]:
    server = released(fleet, debian12, clone, "alpha-moved")
    yield server
    if server.host in fleet.lab.hosts.values():
        fleet.lab.discard(server.host)
    for name in debian12.host.dns_names:
        fleet.lab.dns(name, debian12.host)


@pytest.fixture
def host(server: Deployment) -> Iterator[Host]:
    """The same database before each attack; afterwards nothing of it ran, and the old serves."""
    host = server.host
    struck(host)
    yield host
    assert struck(host) == ""
    assert clusters(host)["15/main"] == (5432, "online")
    as_synapse(host, CLEAN)
    host.run("systemctl", "restart", "matrix-synapse")
    wait_until_serving(server)
    assert_healthy(server)


def test_the_attack_works_where_nobody_looks_first(host: Host) -> None:
    """Else the other tests would prove nothing."""
    as_synapse(host, ATTACK + MOVED)
    host.run(
        "systemd-run", "--quiet", "--wait", "--collect", "pg_upgradecluster", "--method=upgrade",
        "-v", "17", "15", "main", timeout=300,
    )  # fmt: skip
    ways = {mark.rpartition("struck-")[2] for mark in struck(host).split()}
    host.sh(
        "pg_dropcluster --stop 17 main; pg_conftool 15 main set port 5432;"
        " echo auto > /etc/postgresql/15/main/start.conf; systemctl daemon-reload;"
        " systemctl start postgresql@15-main"
    )
    assert ways >= WAYS


@pytest.mark.parametrize("options", [(), ("--rehearse",)])
def test_what_the_role_made_is_named_and_nothing_is_moved(
    host: Host, options: tuple[str, ...]
) -> None:
    as_synapse(host, ATTACK + MOVED)
    before = clusters(host)
    refused = upgrade(host, *options, check=False)
    assert refused.returncode == 1
    assert "PostgreSQL database synapse: function evil." in refused.stderr
    assert clusters(host) == before


def test_what_it_made_in_another_database_is_found_too(host: Host) -> None:
    """In a cluster that began with PostgreSQL 14 or older everybody may make things there."""
    as_synapse(host, "create schema evil")
    as_superuser(host, "grant create on schema public to public")
    as_synapse(host, "create domain public.hidden as text", database="postgres")
    refused = upgrade(host, check=False)
    as_superuser(host, "drop domain public.hidden; revoke create on schema public from public")
    assert refused.returncode == 1
    assert "PostgreSQL database postgres: domain public.hidden" in refused.stderr


def test_what_it_makes_after_the_first_look_is_not_moved_either(host: Host) -> None:
    host.write("/srv/evil.sql", ATTACK + MOVED)
    with attacker(host, "matrix-synapse", LATE):
        refused = upgrade(host, check=False)
    assert refused.returncode == 1, refused.stdout
    assert "PostgreSQL database synapse: function evil." in refused.stderr
    assert "15/main serves as before" in refused.stderr
    assert list(clusters(host)) == ["15/main"]
