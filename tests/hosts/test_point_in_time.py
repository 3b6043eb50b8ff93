"""What PostgreSQL writes is kept, and the server comes back as it was at a moment."""

import json
import time
from collections.abc import Callable

import pytest

from tests.hosts.backups import assert_well, backed_up_to, faults, tool
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.onlookers import watched_files, watched_processes
from tests.hosts.people import change_settings
from tests.hosts.probes import wait_until_serving
from tests.hosts.writers import UPLOAD, Writer, writer

ARCHIVE = "/mnt/backup/matrix-wal"
PASSWORD = "/etc/altpeter-matrix/secrets/point_in_time_password"
CONFIGURATION = "/var/lib/altpeter-matrix/point-in-time/pgbackrest.conf"
DISK = f"""
DEBIAN_FRONTEND=noninteractive apt-get -qy install pgbackrest </dev/null
mkdir -p /mnt/backup && mount -t tmpfs -o size=1g tmpfs /mnt/backup
install -d -o postgres -g postgres -m 700 {ARCHIVE}
"""
# As soon as four files wait.
SMALL_QUEUE = (
    f"sed -i 's/^archive-push-queue-max=.*/archive-push-queue-max=67108864/' {CONFIGURATION}"
)
NINE_FILES = """
for number in 1 2 3 4 5 6 7 8 9; do
    runuser -u postgres -- psql -qAtc 'select pg_current_xact_id()' >/dev/null
    runuser -u postgres -- psql -qAtc 'select pg_switch_wal()' >/dev/null
    sleep 0.3
done
"""
WAITING = "select count(*) from pg_ls_archive_statusdir() where name like '%.ready'"
HOUR_AGO = """
python3 - <<'END'
import json
path = '/var/lib/altpeter-matrix/archive.json'
record = json.load(open(path)); record['attempted'] -= 3700
json.dump(record, open(path, 'w'))
END
"""


def sql(host: Host, question: str) -> str:
    done = host.run("runuser", "-u", "postgres", "--", "psql", "-Atc", question)
    return done.stdout.strip()


def moment_between(host: Host) -> str:
    """By the host's clock, a second after what was before it, and one before what comes."""
    time.sleep(1.5)
    found = host.run("date", "--utc", "+%Y-%m-%dT%H:%M:%SZ").stdout.strip()
    time.sleep(1.5)
    return found


@pytest.fixture(scope="module")
def server(debian13: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    server = clone(debian13, "moment")
    server.host.sh(DISK, timeout=600)
    backed_up_to(server, point_in_time=ARCHIVE)
    return server


@pytest.fixture(scope="module")
def kept(server: Deployment) -> Writer:
    """Somebody who writes on a server that gives away what it writes."""
    found = writer(server)
    found.send("before")
    assert "archiving-off" in faults(server.host)
    with watched_processes(server.host) as seen, watched_files(server.host) as readable:
        said = tool(server.host, "backup", "now")
    assert "Restarting PostgreSQL and Synapse" in said, said
    password = server.host.read(PASSWORD).strip()
    assert len(password) > 30
    assert password not in seen() and password not in readable()
    assert server.host.run("stat", "-c", "%U %a", CONFIGURATION).stdout == "postgres 600\n"
    return found


def test_it_is_kept_and_nobody_else_reads_it(server: Deployment, kept: Writer) -> None:
    host = server.host
    assert sql(host, "show archive_mode") == "on" and sql(host, "show archive_timeout") == "1min"
    assert host.sh(f"grep -rl before {ARCHIVE} || true").stdout == ""
    said = tool(host, "backup", "list")
    assert "Any moment from" in said, said
    again = tool(host, "backup", "now")
    assert "Restarting" not in again and "(diff)" in again
    tool(host, "backup", "verify", "--all")
    assert_well(server)


def test_the_server_comes_back_as_it_was_at_a_moment(server: Deployment, kept: Writer) -> None:
    host, keys = server.host, kept.keys()
    kept.send("one")
    moment = moment_between(host)
    kept.send("two")
    refused = tool(host, "restore", "--at", "2020-01-01T12:00:00Z", "--yes", check=False)
    assert "has no backup of" in refused
    refused = tool(host, "restore", "--at", "2099-01-01T12:00:00Z", "--yes", check=False)
    assert "it leads to any moment of" in refused and kept.reads()[-1] == "two"
    said = tool(host, "restore", "--at", moment, "--yes")
    assert f"as it was at {moment}" in said, said
    assert kept.reads()[-1] == "one" and kept.keys() == keys and kept.downloads() == UPLOAD
    assert "altpeter_drill" not in host.run("pg_lsclusters").stdout
    assert host.run("ls", "/var/lib/altpeter-matrix/point-in-time").stdout == "pgbackrest.conf\n"
    tool(host, "restore", "--undo", "--yes")
    assert kept.reads()[-1] == "two"
    assert_well(server)


def test_a_target_that_is_away_fills_no_disk(server: Deployment, kept: Writer) -> None:
    host = server.host
    host.sh(f"{SMALL_QUEUE}; mv {ARCHIVE} {ARCHIVE}.away")
    host.sh(NINE_FILES)
    end = time.monotonic() + 90
    while int(sql(host, WAITING)) > 5 and time.monotonic() < end:
        time.sleep(1)
    assert int(sql(host, WAITING)) <= 5
    refused = tool(host, "backup", "now", "--automatic", check=False)
    assert "mount" in refused, refused
    assert "archive-backup-failed" in faults(host)
    assert host.run("test", "-e", ARCHIVE, check=False).returncode == 1
    host.sh(f"mv {ARCHIVE}.away {ARCHIVE}")
    host.sh(NINE_FILES)
    while int(sql(host, WAITING)) and time.monotonic() < end + 120:
        time.sleep(1)
    host.sh(HOUR_AGO)
    assert "is backed up" in tool(host, "backup", "now", "--automatic")
    moments = json.loads(tool(host, "backup", "list", "--json"))["moments"]
    assert [one["whole"] for one in moments] == [False, True], moments
    kept.send("after the gap")
    moment = moment_between(host)
    kept.send("too late")
    tool(host, "restore", "--at", moment, "--yes")
    assert kept.reads()[-1] == "after the gap"
    tool(host, "restore", "--finish")
    assert_well(server)


def test_a_missing_program_is_told_and_fills_no_disk(server: Deployment, kept: Writer) -> None:
    host = server.host
    host.sh("mv /usr/bin/pgbackrest /root/")
    host.sh(NINE_FILES)
    time.sleep(1)
    assert sql(host, WAITING) == "0"
    assert "pgbackrest-missing" in faults(host)
    host.sh("mv /root/pgbackrest /usr/bin/")
    host.sh(NINE_FILES)
    time.sleep(2)
    # By the timer's own unit, with its few rights.
    begun = host.run("date", "+%Y-%m-%d %H:%M:%S").stdout.strip()
    host.sh(
        "systemctl start altpeter-matrix-backup\n"
        "while systemctl is-active --quiet altpeter-matrix-backup; do sleep 0.5; done"
    )
    journal = host.run("journalctl", "-u", "altpeter-matrix-backup", "-S", begun, "-o", "cat")
    assert "is backed up" in journal.stdout, journal.stdout
    assert_well(server)


@pytest.mark.upgrades
def test_what_a_restore_writes_is_kept_too(server: Deployment, kept: Writer) -> None:
    host = server.host
    kept.send("five")
    moment = moment_between(host)
    kept.send("six")
    tool(host, "restore", "--at", moment, "--yes")
    kept.send("seven")
    tool(host, "restore", "--finish")
    after = moment_between(host)
    kept.send("eight")
    tool(host, "restore", "--at", after, "--yes")
    assert kept.reads()[-2:] == ["five", "seven"]
    tool(host, "restore", "--finish")
    assert_well(server)


@pytest.mark.upgrades
def test_the_drill_tries_what_was_written_just_now(server: Deployment, kept: Writer) -> None:
    host = server.host
    kept.send("before the drill")
    said = tool(host, "backup", "drill")
    assert "as it was at its end, beside the server" in said and "can be restored" in said
    assert "altpeter_drill" not in host.run("pg_lsclusters").stdout
    host.sh(f"mv {ARCHIVE}/backup {ARCHIVE}.lost")
    assert host.run("altpeter-matrix", "backup", "drill", check=False).returncode == 1
    assert "backup-drill-failed" in faults(host)
    host.sh(f"mv {ARCHIVE}.lost {ARCHIVE}/backup")
    tool(host, "backup", "drill")
    assert_well(server)


@pytest.mark.upgrades
@pytest.mark.parametrize("seconds", [2, 5, 8, 11, 14, 17])
def test_a_killed_restore_is_completed_or_undone(
    server: Deployment, kept: Writer, seconds: float
) -> None:
    host = server.host
    # In texts of their own: Synapse sends the same transaction of a device once.
    kept.send(f"kept {seconds}")
    moment = moment_between(host)
    kept.send(f"lost {seconds}")
    command = ("altpeter-matrix", "restore", "--at", moment, "--yes")
    host.run("systemd-run", "--unit=to-be-killed", "--quiet", "--collect", *command)
    time.sleep(seconds)
    host.run("systemctl", "kill", "--signal=KILL", "to-be-killed", check=False)
    host.sh("while systemctl is-active --quiet to-be-killed; do sleep 0.1; done")
    print(host.sh("cat /var/lib/altpeter-matrix/restore.json || true").stdout)
    if seconds % 2:
        tool(host, "restore", "--undo", "--yes")
        expected = f"lost {seconds}"
    else:
        if "restored" not in host.sh("cat /var/lib/altpeter-matrix/restore.json || true").stdout:
            tool(host, "restore", "--at", moment, "--yes")
        expected = f"kept {seconds}"
    wait_until_serving(server)
    assert kept.reads()[-1] == expected
    tool(host, "restore", "--finish")
    assert "altpeter_drill" not in host.run("pg_lsclusters").stdout
    assert_well(server)


@pytest.mark.upgrades
def test_another_cluster_in_its_place_is_kept_from_then_on(
    server: Deployment, kept: Writer
) -> None:
    """As after a move to a newer PostgreSQL: another directory, another number of the system."""
    host = server.host
    version = host.run("pg_lsclusters", "--no-header").stdout.split()[0]
    host.sh(
        "systemctl stop matrix-synapse\n"
        "runuser -u postgres -- pg_dumpall >/root/all.sql\n"
        f"pg_ctlcluster {version} main stop; pg_conftool {version} main set port 5440\n"
        f"echo manual >/etc/postgresql/{version}/main/start.conf\n"
        f"pg_createcluster --port 5432 {version} other -- --locale=C --encoding=UTF8\n"
        f"cp -p /etc/postgresql/{version}/main/conf.d/*.conf"
        f" /etc/postgresql/{version}/other/conf.d/\n"
        f"systemctl daemon-reload; systemctl start postgresql@{version}-other\n"
        "runuser -u postgres -- psql -q </root/all.sql >/root/psql.log 2>&1\n"
        "systemctl start matrix-synapse"
    )
    wait_until_serving(server)
    said = tool(host, "backup", "now", "--automatic")
    assert "(full)" in said, said
    kept.send("in the other one")
    moment = moment_between(host)
    kept.send("too late")
    tool(host, "restore", "--at", moment, "--yes")
    assert kept.reads()[-1] == "in the other one"
    tool(host, "restore", "--finish")


def test_it_ends_with_the_setting(server: Deployment, kept: Writer) -> None:
    host = server.host
    change_settings(server, backup={"point_in_time": None})
    assert host.run("test", "-e", CONFIGURATION, check=False).returncode == 1
    host.sh(NINE_FILES)
    time.sleep(1)
    assert sql(host, WAITING) == "0"
    assert "Any moment" not in tool(host, "backup", "list")
    assert_well(server)
