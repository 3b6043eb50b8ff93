"""A backup on another machine, brought back on a new host, and restores that are killed."""

import shlex
import time
from collections.abc import Callable

import pytest

from tests.hosts.backups import PASSWORD, PLACE, assert_well, backed_up_to, tool
from tests.hosts.deployments import Deployment, run_pyinfra, write_inventory
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host, Lab
from tests.hosts.probes import wait_until_serving
from tests.hosts.writers import UPLOAD, Writer, writer

pytestmark = pytest.mark.upgrades
BEFORE, AFTER = "before the backup", "after the backup"
UNIT = "restore-to-be-killed"
# Seconds after its start; a whole restore here takes about fifteen.
KILLS = (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 12.0)


@pytest.fixture(scope="module")
def victim_backed_up(victim: Deployment) -> tuple[Deployment, Writer]:
    backed_up_to(victim)
    found = writer(victim)
    found.send(BEFORE)
    tool(victim.host, "backup", "now")
    found.send(AFTER)
    return victim, found


def begin_restore(host: Host) -> None:
    host.sh(f"systemctl reset-failed {UNIT} 2>/dev/null || true")
    host.run("systemd-run", f"--unit={UNIT}", "--quiet", "altpeter-matrix", "restore", "--yes")


def assert_nothing_is_half(found: Writer, server: Deployment) -> None:
    """Whatever answers is one server or the other."""
    state = server.host.run("systemctl", "is-active", "matrix-synapse", check=False).stdout
    if state == "active\n":
        wait_until_serving(server)
        assert found.reads() in ([BEFORE, AFTER], [BEFORE])


@pytest.mark.parametrize("seconds", KILLS)
def test_a_killed_restore_is_completed_or_undone(
    victim_backed_up: tuple[Deployment, Writer], seconds: float
) -> None:
    server, found = victim_backed_up
    host = server.host
    begin_restore(host)
    time.sleep(seconds)
    host.run("systemctl", "kill", "--signal=KILL", UNIT, check=False)
    host.sh(f"while systemctl is-active --quiet {UNIT}; do sleep 0.1; done")
    assert_nothing_is_half(found, server)
    print(host.sh("cat /var/lib/altpeter-matrix/restore.json || true").stdout)
    if KILLS.index(seconds) % 2:
        tool(host, "restore", "--undo", "--yes")
        expected = [BEFORE, AFTER]
    else:
        if "restored" not in host.sh("cat /var/lib/altpeter-matrix/restore.json || true").stdout:
            tool(host, "restore", "--yes")
        expected = [BEFORE]
    wait_until_serving(server)
    assert found.reads() == expected
    if expected == [BEFORE]:
        # For the next one.
        tool(host, "restore", "--undo", "--yes")
    assert found.reads() == [BEFORE, AFTER] and found.downloads() == UPLOAD
    assert_well(server)


@pytest.mark.parametrize("seconds", [3.0, 6.0, 9.0])
def test_a_restore_survives_a_power_cut(
    victim_backed_up: tuple[Deployment, Writer], seconds: float
) -> None:
    server, found = victim_backed_up
    host = server.host
    begin_restore(host)
    time.sleep(seconds)
    host.kill()
    host.start()
    time.sleep(5)
    assert_nothing_is_half(found, server)
    tool(host, "restore", "--undo", "--yes")
    wait_until_serving(server)
    assert found.reads() == [BEFORE, AFTER]


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5])
@pytest.mark.parametrize("what", ["now", "drill"])
def test_a_killed_backup_or_drill_leaves_nothing(
    victim_backed_up: tuple[Deployment, Writer], what: str, seconds: float
) -> None:
    server, found = victim_backed_up
    host = server.host
    before = tool(host, "backup", "list").count("Z")
    host.run("systemd-run", f"--unit={UNIT}", "--quiet", "altpeter-matrix", "backup", what)
    time.sleep(seconds)
    host.run("systemctl", "kill", "--signal=KILL", UNIT, check=False)
    host.sh(f"while systemctl is-active --quiet {UNIT}; do sleep 0.1; done")
    host.sh(f"systemctl reset-failed {UNIT} 2>/dev/null || true")
    assert tool(host, "backup", "list").count("Z") >= before
    tool(host, "backup", what)
    assert "altpeter_drill" not in host.run("pg_lsclusters").stdout
    assert found.reads() == [BEFORE, AFTER]
    assert_well(server)


def test_a_new_host_with_a_newer_debian_takes_over_from_another_machine(
    lab: Lab, fleet: Fleet, debian12: Deployment, clone: Callable[..., Deployment]
) -> None:
    """Backed up over SFTP, destroyed, deployed anew elsewhere, brought back with one command."""
    nas = lab.host("nas", debian="12")
    nas.run("useradd", "--create-home", "keeper")
    place = f"sftp:keeper@{nas.ipv4}:/home/keeper/matrix"
    with fleet.clone(debian12, "lost", dns=True) as old:
        backed_up_to(old, place)
        found = writer(old)
        found.send(BEFORE)
        refused = tool(old.host, "backup", "now", check=False)
        line = refused.split("`")[1]
        assert line.startswith("ssh-ed25519 ") and "keeper at" in refused
        authorise(nas, line)
        tool(old.host, "backup", "now")
        tool(old.host, "backup", "drill")
        password, keys = old.host.read(PASSWORD), found.keys()
    new = lab.host("found", debian="13", dns=debian12.host.dns_names)
    settings = {**debian12.settings, "backup": {"to": place}}
    inventory = write_inventory(
        lab.state / "inventories" / new.name, {new: settings}, **fleet.data(debian12)
    )
    run_pyinfra(inventory, "-y")
    server = Deployment(host=new, settings=settings, ca_file=debian12.ca_file)
    new.write("/root/drawer", password, mode=0o600)
    refused = tool(new, "restore", "--password-file", "/root/drawer", "--yes", check=False)
    authorise(nas, refused.split("`")[1])
    # Its own password would not open it, and the empty server must not become the newest backup.
    assert "is not the password of" in tool(new, "backup", "now", check=False)
    assert new.run("test", "-e", PASSWORD, check=False).returncode == 1
    tool(new, "restore", "--password-file", "/root/drawer", "--yes")
    wait_until_serving(server)
    back = found.at(server)
    assert back.reads() == [BEFORE] and back.downloads() == UPLOAD and back.keys() == keys
    assert back.account.login()
    tool(new, "restore", "--finish")
    tool(new, "backup", "now")
    assert "2 backups" in tool(new, "backup", "list")
    tool(new, "backup", "drill")
    assert_well(server)


def authorise(nas: Host, line: str) -> None:
    nas.sh(
        "install -d -o keeper -g keeper -m 700 ~keeper/.ssh;"
        f" echo {shlex.quote(line)} >>~keeper/.ssh/authorized_keys;"
        " chown keeper: ~keeper/.ssh/authorized_keys"
    )


def test_an_empty_new_server_is_not_the_newest_backup(
    victim_backed_up: tuple[Deployment, Writer], clone: Callable[..., Deployment]
) -> None:
    """The repository of the lost one is there, and nothing was restored yet."""
    server, _found = victim_backed_up
    host = server.host
    host.sh(
        "cp /etc/machine-id /root/machine-id; mv /var/lib/altpeter-matrix/backup.json /root/;"
        " tr 0-9 1-90 </root/machine-id >/etc/machine-id"
    )
    try:
        refused = tool(host, "backup", "now", check=False)
        assert f"{PLACE}: holds backups of {server.server_name} that another host" in refused
        tool(host, "backup", "now", "--take-over")
        assert "made by another host" in tool(host, "backup", "list")
    finally:
        host.sh(
            "cp /root/machine-id /etc/machine-id; mv /root/backup.json /var/lib/altpeter-matrix/"
        )
    assert "another host has made a backup" in tool(host, "backup", "now")
