"""The daily backup on a real host: made, restored, tried, and refused where it is no good."""

import json
from collections.abc import Callable

import pytest

from tests.hosts.backups import (
    LOSS,
    PASSWORD,
    PLACE,
    assert_well,
    backed_up_to,
    faults,
    restic,
    tool,
)
from tests.hosts.deployments import Deployment
from tests.hosts.onlookers import watched_files, watched_processes
from tests.hosts.probes import wait_until_serving
from tests.hosts.writers import UPLOAD, Writer, writer

BEFORE, AFTER = "before the backup", "after the backup"
HALF_A_DUMP = "#!/bin/sh\necho half of it\nexit 1\n"
# One bit in the middle of each part.
FLIP = f"""
cp --archive {PLACE}/data /root/data
python3 - <<'PYTHON'
import pathlib
for part in pathlib.Path("{PLACE}/data").rglob("*"):
    if part.is_file():
        part.chmod(0o600)
        content = bytearray(part.read_bytes())
        content[len(content) // 2] ^= 1
        part.write_bytes(content)
PYTHON
"""
MEND = f"rm -r {PLACE}/data; mv /root/data {PLACE}/data"


@pytest.fixture(scope="module")
def server(debian12: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    server = clone(debian12, "backup")
    backed_up_to(server)
    return server


@pytest.fixture(scope="module")
def backed_up(server: Deployment) -> Writer:
    """Somebody who has written before the backup, and after it."""
    found = writer(server)
    found.send(BEFORE)
    with watched_processes(server.host) as seen, watched_files(server.host) as readable:
        assert "Making a repository" in tool(server.host, "backup", "now")
    password = server.host.read(PASSWORD).strip()
    assert len(password) > 30
    assert password not in seen() and password not in readable()
    found.send(AFTER)
    return found


def test_the_units_do_nothing_without_the_setting(debian12: Deployment) -> None:
    for unit in ("altpeter-matrix-backup", "altpeter-matrix-drill"):
        assert debian12.host.run("systemctl", "is-active", f"{unit}.timer").stdout == "active\n"
        debian12.host.run("systemctl", "start", f"{unit}.service")
        shown = debian12.host.run("systemctl", "show", "-p", "ConditionResult", f"{unit}.service")
        assert shown.stdout == "ConditionResult=no\n"


def test_there_is_a_backup_that_nobody_else_reads(server: Deployment, backed_up: Writer) -> None:
    assert f"1 backups in {PLACE}" in tool(server.host, "backup", "list")
    assert BEFORE not in server.host.sh(f"grep -rl '{BEFORE}' {PLACE} || true").stdout
    refused = server.host.run("runuser", "-u", "nobody", "--", "ls", PLACE, check=False)
    assert refused.returncode != 0
    names = restic(server.host, "ls", "latest", "--tag", "files")
    assert "/etc/altpeter-matrix/settings.yaml" in names and ".signing.key" in names
    assert "/media/local_content/" in names
    assert "remote_content" not in names and "/etc/letsencrypt" not in names
    assert_well(server)


def test_the_unit_makes_one_when_it_is_due(server: Deployment, backed_up: Writer) -> None:
    """By the timer's own unit, with its few rights."""
    host = server.host
    host.sh("systemctl start altpeter-matrix-backup; sleep 3")
    assert "1 backups" in tool(host, "backup", "list"), "it was not due"
    host.sh(
        "python3 - <<'E'\n"
        "import json\n"
        "path = '/var/lib/altpeter-matrix/backup.json'\n"
        "record = json.load(open(path))\n"
        "record['succeeded'] -= 172800; record['attempted'] -= 172800\n"
        "json.dump(record, open(path, 'w'))\nE\n"
        "systemctl start altpeter-matrix-backup\n"
        "while systemctl is-active --quiet altpeter-matrix-backup; do sleep 0.5; done"
    )
    journal = host.run("journalctl", "-b", "-u", "altpeter-matrix-backup", "-o", "cat").stdout
    assert "2 backups" in tool(host, "backup", "list"), journal


def test_the_drill_is_content(server: Deployment, backed_up: Writer) -> None:
    assert "can be restored" in tool(server.host, "backup", "drill")
    assert "restored for a trial" in tool(server.host, "backup", "list")
    assert "altpeter_drill" not in server.host.run("pg_lsclusters").stdout
    assert_well(server)


def test_the_units_of_the_drill_have_what_it_needs(server: Deployment, backed_up: Writer) -> None:
    host = server.host
    host.sh(
        "python3 - <<'E'\n"
        "import json\n"
        "path = '/var/lib/altpeter-matrix/backup.json'\n"
        "record = json.load(open(path)); record['drilled'] = 0\n"
        "json.dump(record, open(path, 'w'))\nE\n"
        "systemctl start altpeter-matrix-drill\n"
        "while systemctl is-active --quiet altpeter-matrix-drill; do sleep 0.5; done"
    )
    journal = host.run("journalctl", "-b", "-u", "altpeter-matrix-drill", "-o", "cat").stdout
    assert "can be restored" in journal


def test_what_a_killed_drill_left_goes_before_the_next_one(server: Deployment) -> None:
    host = server.host
    host.sh("pg_createcluster --start $(ls /etc/postgresql | tail -n 1) altpeter_drill")
    assert "altpeter_drill" in host.run("pg_lsclusters").stdout
    host.sh(
        "systemctl start altpeter-matrix-drill\n"
        "while systemctl is-active --quiet altpeter-matrix-drill; do sleep 0.5; done"
    )
    assert "altpeter_drill" not in host.run("pg_lsclusters").stdout


def test_it_comes_back_and_what_was_here_comes_back(server: Deployment, backed_up: Writer) -> None:
    """A restore, its undoing, and a restore for good."""
    host, keys = server.host, backed_up.keys()
    first = json.loads(tool(host, "backup", "list", "--json"))["backups"][0]["name"]
    refused = tool(host, "restore", "--at", first, check=False)
    assert "logins included" in refused and backed_up.reads() == [BEFORE, AFTER]
    said = tool(host, "restore", "--at", first, "--yes")
    assert "What was here before is kept" in said
    assert backed_up.reads() == [BEFORE] and backed_up.keys() == keys
    assert "restore-unfinished" in faults(host)
    tool(host, "restore", "--undo", "--yes")
    assert backed_up.reads() == [BEFORE, AFTER]
    tool(host, "restore", "--at", first, "--yes")
    backed_up.send("after the restore")
    tool(host, "restore", "--finish")
    assert backed_up.reads() == [BEFORE, "after the restore"]
    assert backed_up.downloads() == UPLOAD and backed_up.account.login()
    databases = "select count(*) from pg_database where datname like 'synapse%'"
    left = host.run("runuser", "-u", "postgres", "--", "psql", "-Atc", databases)
    assert left.stdout == "1\n"
    assert_well(server)


def test_a_server_whose_files_are_lost_comes_back(server: Deployment, backed_up: Writer) -> None:
    host, keys = server.host, backed_up.keys()
    host.sh(f"install -m 600 {PASSWORD} /root/drawer")
    host.sh(LOSS)
    tool(host, "restore", "--from", PLACE, "--password-file", "/root/drawer", "--yes")
    wait_until_serving(server)
    assert backed_up.reads()[0] == BEFORE
    assert backed_up.downloads() == UPLOAD and backed_up.keys() == keys
    tool(host, "restore", "--finish")
    assert_well(server)


def test_half_a_dump_is_no_backup(server: Deployment, backed_up: Writer) -> None:
    host = server.host
    before = json.loads(restic(host, "snapshots", "--json"))
    host.write("/usr/local/bin/pg_dump", HALF_A_DUMP, mode=0o755)
    refused = tool(host, "backup", "now", check=False)
    assert "pg_dump: failed with status 1" in refused
    assert "backup-failed" in faults(host)
    host.run("rm", "/usr/local/bin/pg_dump")
    assert json.loads(restic(host, "snapshots", "--json")) == before
    tool(host, "backup", "now")
    assert "backup-failed" not in faults(host)


def test_a_wrong_password_is_named(server: Deployment, backed_up: Writer) -> None:
    host = server.host
    host.sh(f"mv {PASSWORD} /root/right; install -m 600 /dev/null {PASSWORD}; echo no >{PASSWORD}")
    for command in (("backup", "now"), ("backup", "drill"), ("restore", "--yes")):
        refused = tool(host, *command, check=False)
        assert f"{PASSWORD}: is not the password of {PLACE}" in refused, refused
    assert "backup-drill-failed" in faults(host)
    host.run("mv", "/root/right", PASSWORD)
    assert backed_up.reads()[0] == BEFORE
    tool(host, "backup", "now")
    tool(host, "backup", "drill")
    assert_well(server)


def test_a_flipped_bit_turns_the_drill_red(server: Deployment, backed_up: Writer) -> None:
    host = server.host
    host.sh(FLIP)
    assert host.run("altpeter-matrix", "backup", "drill", check=False).returncode == 1
    assert "backup-drill-failed" in faults(host)
    assert host.run("altpeter-matrix", "backup", "verify", "--all", check=False).returncode == 1
    assert host.run("altpeter-matrix", "restore", "--yes", check=False).returncode == 1
    assert backed_up.reads()[0] == BEFORE, "nothing has changed"
    host.sh(MEND)
    tool(host, "backup", "verify", "--all")
    tool(host, "backup", "drill")
    assert_well(server)


def test_a_disk_that_is_not_mounted_gets_no_new_repository(
    server: Deployment, backed_up: Writer
) -> None:
    host = server.host
    host.sh(f"mv {PLACE} /srv/elsewhere; mkdir {PLACE}")
    assert "mount what should be there" in tool(host, "backup", "now", check=False)
    assert host.run("ls", PLACE).stdout == ""
    host.sh(f"rmdir {PLACE}; mv /srv/elsewhere {PLACE}")
    tool(host, "backup", "now")
    assert_well(server)
