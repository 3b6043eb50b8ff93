"""A whole host goes from Debian 12 to 13 with nobody there, then its database from 15 to 17."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.hosts.database_moves import (
    KILLS,
    Correspondence,
    asked,
    clusters,
    databases,
    killed_when,
    upgrade,
)
from tests.hosts.deployments import Deployment, operations_changed, run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.probes import Traffic, assert_healthy, request
from tests.hosts.released import EDITS, REPORT, digests, released
from tests.hosts.status import status_of
from tests.hosts.terminal import converse
from tests.hosts.upgrades.bench import REPLACED
from tests.hosts.upgrades.cells import State
from tests.hosts.upgrades.release import unfinished
from tests.hosts.upgrades.states import HOMESERVER, SETUPS, SITE
from tests.hosts.upgrades.ways import MOVE_CLUSTER

pytestmark = pytest.mark.upgrades


@pytest.fixture(scope="module")
def server(fleet: Fleet, debian12: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    """The Debian 12 server after the upgrade of its release and a reboot."""
    return released(fleet, debian12, clone, "alpha-release")


@pytest.fixture(scope="module")
def report(server: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.host.read(REPORT))
    return found


@pytest.fixture(scope="module")
def correspondence(server: Deployment, report: dict[str, Any]) -> Correspondence:
    return Correspondence(server, report["token"], report["room"])


# The tests of this module are one story, told in order.


def test_release_upgrade_asks_nothing(report: dict[str, Any]) -> None:
    assert "*** " not in report["screen"], "dpkg offers the versions of a file with these stars"


def test_release_upgrade_loses_no_edit(server: Deployment, report: dict[str, Any]) -> None:
    host, now = server.host, digests(server.host)
    aside = {digest for path, digest in now.items() if path.startswith(REPLACED)}
    for path, digest in report["edits"].items():
        assert digest in {now.get(path), *aside}, f"the edit of {path} is lost"
    for edit in EDITS:
        assert not edit.answers or request(server, edit.answers).status == 200
    assert f"{HOMESERVER}: was edited" in status_of(host).stdout
    host.run("altpeter-matrix", "adopt")
    host.sh(SETUPS[State.FOREIGN_SITE].undo)
    assert "was edited" not in status_of(host).stdout
    assert_healthy(server)


def test_release_upgrade_leaves_all_packages_in_order(
    server: Deployment, report: dict[str, Any]
) -> None:
    host = server.host
    assert report["audit"] == host.run("dpkg", "--audit").stdout == ""
    assert list(unfinished(host)) == []


def test_release_upgrade_keeps_sessions_and_messages_on_the_old_postgresql(
    server: Deployment, correspondence: Correspondence
) -> None:
    correspondence.assert_served_by(15, "before")
    synapse = server.host.run("dpkg-query", "-W", "-f", "${Version}", "matrix-synapse-py3").stdout
    assert "trixie" in synapse


def test_release_upgrade_brings_the_new_nginx_its_own_syntax(server: Deployment) -> None:
    host = server.host
    assert "nginx/1.26" in host.run("nginx", "-v").stderr
    site = host.read(SITE)
    assert "http2 on;" in site and "ssl http2" not in site
    assert "warn" not in host.run("nginx", "-t").stderr


def test_status_names_the_command_for_the_database(server: Deployment) -> None:
    status = status_of(server.host).stdout
    assert status.startswith("healthy")
    assert "PostgreSQL 15: gets no more updates" in status
    assert "`altpeter-matrix database upgrade`" in status


def test_deploy_finds_its_way_after_the_release_upgrade(fleet: Fleet, server: Deployment) -> None:
    inventory = fleet.inventory(server)
    run_pyinfra(inventory, "-y")
    again = run_pyinfra(inventory, "-y", "--json")
    assert operations_changed(again) == []
    assert_healthy(server)


def test_debians_own_move_of_the_cluster_is_no_harm(correspondence: Correspondence) -> None:
    """postgresql offers it at a terminal in each upgrade of a release."""
    host = correspondence.server.host
    reconfigure = "DEBIAN_FRONTEND=readline dpkg-reconfigure postgresql"
    talk = converse(host, reconfigure, {MOVE_CLUSTER: "yes"})
    assert talk.questions == (MOVE_CLUSTER,)
    correspondence.until_synapse_reconnects()
    correspondence.assert_served_by(17, "before")
    assert host.run("altpeter-matrix", "apply").stdout.startswith("Nothing to do")
    # As pg_upgradecluster would have to be undone by hand.
    host.sh(
        "pg_dropcluster --stop 17 main; pg_conftool 15 main set port 5432;"
        " echo auto > /etc/postgresql/15/main/start.conf; systemctl daemon-reload;"
        " systemctl start postgresql@15-main; systemctl restart matrix-synapse"
    )
    correspondence.assert_served_by(15, "before")


def test_rehearsal_moves_a_copy_while_the_server_serves(
    server: Deployment, correspondence: Correspondence
) -> None:
    host = server.host
    before = clusters(host)
    with Traffic(server, correspondence.token) as traffic:
        said = upgrade(host, "--rehearse").stdout
    assert traffic.failures == [] and traffic.answered > 10
    assert "It works:" in said and "schema 9" in said
    assert clusters(host) == before
    assert host.sh("ls /var/lib/postgresql/*/ /etc/postgresql/*/").stdout.count("rehearsal") == 0
    assert host.run("altpeter-matrix", "apply").stdout.startswith("Nothing to do")
    correspondence.assert_served_by(15, "before")


def test_upgrade_is_refused_when_the_disk_is_short(server: Deployment) -> None:
    host = server.host
    before = clusters(host)
    host.sh("cd /var/lib/postgresql; mkdir -p 17; mount -t tmpfs -o size=64m none 17")
    try:
        for options in ([], ["--rehearse"]):
            refused = upgrade(host, *options, check=False)
            assert refused.returncode == 1
            assert "/var/lib/postgresql/17: needs " in refused.stderr
            assert "free some space" in refused.stderr
    finally:
        host.sh("umount /var/lib/postgresql/17")
    assert clusters(host) == before
    assert_healthy(server)


def test_upgrade_is_refused_when_the_new_cluster_is_in_use(
    server: Deployment, correspondence: Correspondence
) -> None:
    host = server.host
    host.run("pg_createcluster", "--start", "17", "main")
    port = str(clusters(host)["17/main"][0])
    host.run("runuser", "-u", "postgres", "--", "createdb", "-p", port, "shop")
    refused = upgrade(host, check=False)
    assert refused.returncode == 1 and "is in use: database shop" in refused.stderr
    assert "shop" in databases(host, int(port))
    host.run("systemctl", "stop", "postgresql@17-main")
    refused = upgrade(host, check=False)
    assert refused.returncode == 1 and "is stopped" in refused.stderr
    host.run("systemctl", "start", "postgresql@17-main")
    host.run("runuser", "-u", "postgres", "--", "dropdb", "-p", port, "shop")
    correspondence.assert_served_by(15, "before")


# From here on the empty 17/main is there, as Debian's packages may make it.
@pytest.mark.parametrize("point", KILLS)
def test_a_killed_upgrade_is_undone(correspondence: Correspondence, point: str) -> None:
    host = correspondence.server.host
    killed_when(host, KILLS[point])
    refused = host.run("altpeter-matrix", "apply", check=False)
    assert refused.returncode == 1 and "--undo" in refused.stderr
    status = status_of(host)
    assert status.returncode == 1 and "--undo" in status.stdout
    upgrade(host, "--undo")
    correspondence.assert_served_by(15, "before")
    assert "17/main" not in clusters(host)


def test_after_a_power_cut_synapse_waits_for_the_undo(correspondence: Correspondence) -> None:
    host = correspondence.server.host
    killed_when(host, KILLS["statistics are made"])
    host.kill()
    host.start()
    assert host.run("systemctl", "is-active", "matrix-synapse", check=False).stdout != "active\n"
    assert "--undo" in status_of(host).stdout
    upgrade(host, "--undo")
    correspondence.assert_served_by(15, "before")


def test_a_killed_rehearsal_leaves_the_server_alone(correspondence: Correspondence) -> None:
    host = correspondence.server.host
    killed_when(host, "pgrep -x pg_upgrade", "--rehearse")
    correspondence.assert_served_by(15, "before")
    assert "interrupted rehearsal" in upgrade(host, "--rehearse").stdout
    assert list(clusters(host)) == ["15/main"]


def test_a_copy_that_differs_is_given_up_by_itself(correspondence: Correspondence) -> None:
    host = correspondence.server.host
    hook = "/etc/postgresql-common/pg_upgradecluster.d/spoil"
    host.write(
        hook,
        '#!/bin/sh\n[ "$4" = init ] || '
        'psql --cluster "$3/$2" -d synapse -c "delete from applied_schema_deltas"\n',
        mode=0o755,
    )
    refused = upgrade(host, check=False)
    host.run("rm", hook)
    assert refused.returncode == 1
    assert "rows of public.applied_schema_deltas: 0, but" in refused.stderr
    assert "15/main serves as before" in refused.stderr
    correspondence.assert_served_by(15, "before")
    assert list(clusters(host)) == ["15/main"]


def test_synapse_that_does_not_start_brings_the_old_database_back(
    correspondence: Correspondence,
) -> None:
    host = correspondence.server.host
    host.write(
        "/run/systemd/system/matrix-synapse.service.d/only-15.conf",
        "[Service]\nExecStartPre=+/usr/bin/grep -qx auto /etc/postgresql/15/main/start.conf\n",
    )
    refused = upgrade(host, check=False)
    host.sh("rm -r /run/systemd/system/matrix-synapse.service.d; systemctl daemon-reload")
    assert refused.returncode == 1 and "15/main serves as before" in refused.stderr
    correspondence.assert_served_by(15, "before")


def test_upgrade_keeps_everything_and_outlasts_a_reboot(correspondence: Correspondence) -> None:
    host = correspondence.server.host
    host.write("/etc/postgresql/15/main/conf.d/ours.conf", "work_mem = 12345kB\n")
    host.run("systemctl", "reload", "postgresql@15-main")
    upgrade(host)
    correspondence.assert_served_by(17, "before")
    assert clusters(host)["15/main"][1] == "down"
    assert asked(host, "show work_mem") == "12345kB"
    for file in ("pg_hba.conf", "pg_ident.conf"):
        host.run("cmp", f"/etc/postgresql/15/main/{file}", f"/etc/postgresql/17/main/{file}")
    locale = asked(
        host,
        "select pg_encoding_to_char(encoding), datcollate, datctype from pg_database"
        " where datname = 'synapse'",
    )
    assert locale == "UTF8|C|C"
    assert host.run("altpeter-matrix", "apply").stdout.startswith("Nothing to do")
    assert upgrade(host).stdout == "Nothing to do.\n"
    host.reboot()
    correspondence.assert_served_by(17, "before")
    unit = host.run("systemctl", "show", "matrix-synapse", "-p", "After,NRestarts").stdout
    assert "postgresql@17-main.service" in unit and "NRestarts=0" in unit
    assert "PostgreSQL 15/main: is kept" in status_of(host).stdout


def test_undo_says_what_is_lost_and_returns(correspondence: Correspondence) -> None:
    host = correspondence.server.host
    correspondence.write("after")
    refused = upgrade(host, "--undo", check=False)
    assert refused.returncode == 1
    assert "--undo --yes" in refused.stderr and ", 1 events" in refused.stderr
    correspondence.assert_served_by(17, "before", "after")
    upgrade(host, "--undo", "--yes")
    correspondence.assert_served_by(15, "before")
    assert clusters(host)["17/main"][1] == "down"
    host.reboot()
    correspondence.assert_served_by(15, "before")


def test_an_upgrade_killed_at_its_end_is_completed_by_the_next(
    correspondence: Correspondence,
) -> None:
    host = correspondence.server.host
    killed_when(host, "grep -q starting /var/lib/altpeter-matrix/database-upgrade.json")
    upgrade(host)
    correspondence.assert_served_by(17, "before")


def test_finish_removes_the_old_database(
    fleet: Fleet, server: Deployment, correspondence: Correspondence
) -> None:
    host = server.host
    upgrade(host, "--finish")
    assert list(clusters(host)) == ["17/main"]
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -q -y purge postgresql-15 </dev/null")
    correspondence.assert_served_by(17, "before")
    assert "notice" not in status_of(host).stdout
    again = run_pyinfra(fleet.inventory(server), "-y", "--json")
    assert operations_changed(again) == []
