"""A newer Synapse is asked before it is installed; what would not serve waits, and says why.

On each release one clone lives through it all, in order. The candidates are the lab's own Synapse
with some of its code changed.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.backups import backed_up_to
from tests.hosts.deployments import Deployment, run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.people import change_settings
from tests.hosts.probes import assert_healthy, login, request, wait_until_serving
from tests.hosts.updated import (
    GUARD,
    MSMTP,
    OURS,
    PIN,
    SYNAPSE,
    Updated,
    mails,
    seen_at_login,
    wait_until,
    without,
)
from tests.hosts.upgrades.cells import Upgrade
from tests.hosts.upgrades.packages import Repository, field
from tests.hosts.upgrades.refused_candidates import (
    UNHAPPY,
    candidate,
    demands,
    leaves_no_way_back,
    refuses,
    refuses_while_unhappy,
)
from tests.hosts.upgrades.stock import Stock
from tests.hosts.upgrades.ways import unattended, with_closed_stdin
from tests.hosts.watched import looked

STATE = "/var/lib/altpeter-matrix"
BACKUP = "/var/backups/matrix/synapse.dump"
WHO_AM_I = "/_matrix/client/v3/account/whoami"


@pytest.fixture(scope="module")
def updated(fleet: Fleet, deployment: Deployment) -> Iterator[Updated]:
    with fleet.clone(deployment, "updates", dns=True) as server:
        host = server.host
        host.sh(
            "DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends msmtp-mta"
            " </dev/null 2>&1"
        )
        host.write("/etc/msmtprc", MSMTP)
        host.write("/etc/aliases.msmtp", f"root: root@{host.name}.test\n")
        wait_until_serving(server)
        stock = Stock(host, fleet.lab.state / f"stock-updates-{host.debian}")
        refusing = candidate(fleet, host.debian, "1.164.0", refuses)
        yield Updated(server, Repository(fleet.lab, host), stock, refusing)


@pytest.fixture(scope="module")
def newer(updated: Updated) -> list[Path]:
    """What has nothing to do with Synapse: nginx's packages and ours."""
    return [*updated.stock.packages(Upgrade.NGINX), updated.stock.ours("next")]


@pytest.fixture(scope="module")
def demanding(fleet: Fleet, updated: Updated) -> Path:
    return candidate(fleet, updated.host.debian, "1.165.0", demands)


def test_a_candidate_that_nobody_checked_stops_apt_before_anything_is_installed(
    updated: Updated, newer: list[Path]
) -> None:
    """The net below the net: apt's update could not start the check."""
    updated.host.sh(
        f"install -D /dev/stdin {BACKUP}; touch --date='3 days ago' {BACKUP}", input="x"
    )
    change_settings(
        updated.server,
        synapse={"user_directory": {"search_all_users": True}},
        updates={"backup": BACKUP},
    )
    before, process = updated.installed(), updated.process()
    # Waits for the check that the apply starts, even if systemd has not begun with it yet: one that
    # came late would see what is published now.
    updated.host.run("systemctl", "start", f"{GUARD}.service")
    updated.host.run("systemctl", "mask", "--runtime", f"{GUARD}.service")
    updated.repository.publish([updated.refusing, *newer])
    updated.host.run("systemctl", "unmask", "--runtime", f"{GUARD}.service")
    assert not updated.is_held(updated.refusing)
    refused = with_closed_stdin(updated.host)
    assert not refused.ok and "held back from now on" in refused.output, refused.output
    assert updated.is_held(updated.refusing)
    assert (updated.installed(), updated.process()) == (before, process)
    assert updated.host.run("dpkg", "--audit").stdout == ""


def test_unattended_upgrades_goes_on_with_everything_else(
    updated: Updated, newer: list[Path]
) -> None:
    token, before, process = login(updated.server), updated.installed(), updated.process()
    done = unattended(updated.host)
    assert done.ok, done.output
    for one in newer:
        name = field(one, "Package")
        assert updated.installed(name) == field(one, "Version"), done.output
    assert (updated.installed(), updated.process()) == (before, process)
    assert request(updated.server, WHO_AM_I, token=token).status == 200


def test_reason_and_remedy_reach_the_administrator(updated: Updated, fleet: Fleet) -> None:
    version = field(updated.refusing, "Version")
    looked(updated.host)
    journal = updated.host.sh("journalctl -b -t altpeter-matrix -o cat").stdout
    sent = [one for one in mails(fleet.lab.services, updated.host) if version in one]
    assert len(sent) == 1, sent
    for text in (updated.status(), journal, seen_at_login(updated.host), sent[0]):
        assert f"{SYNAPSE} to {version} is held back" in text, text
        assert "'user_directory' was removed" in text, text
        assert "settings.yaml: synapse.user_directory" in text, text
        assert "correct or remove this option" in text, text
    assert f"{BACKUP}: the newest backup is of" in updated.status()


def test_it_is_let_go_once_the_cause_is_gone(updated: Updated) -> None:
    without(updated, "user_directory")
    # Started by the apply, not by us.
    wait_until(lambda: not updated.is_held(updated.refusing), "the apply has it checked again")
    simulated = updated.host.run("apt-get", "-q", "-s", "upgrade").stdout
    assert f"Inst {SYNAPSE} " in simulated, simulated
    assert_healthy(updated.server)
    looked(updated.host)
    assert "held back" not in seen_at_login(updated.host)
    assert updated.host.sh(f"ls {PIN} {STATE}/held-back.json 2>&1", check=False).returncode != 0


@pytest.mark.upgrades
def test_it_is_let_go_also_when_its_cause_is_not_in_the_settings(
    updated: Updated, fleet: Fleet
) -> None:
    """Nothing is to be applied then: the apply itself has it checked again."""
    unhappy = candidate(fleet, updated.host.debian, "1.164.1", refuses_while_unhappy)
    updated.host.run("touch", UNHAPPY)
    updated.repository.publish([unhappy])
    wait_until(lambda: updated.is_held(unhappy), "it is held back")
    updated.host.run("rm", UNHAPPY)
    wait_until(updated.is_idle, "the check ends")
    updated.host.run("altpeter-matrix", "apply")
    wait_until(lambda: not updated.is_held(unhappy), "the apply has it checked again")
    assert "held back" not in updated.status()


@pytest.mark.upgrades
def test_then_it_installs_itself_with_a_minor_version_of_postgresql(updated: Updated) -> None:
    token = login(updated.server)
    offered = [updated.refusing, *updated.stock.packages(Upgrade.POSTGRESQL)]
    updated.repository.publish(offered)
    done = unattended(updated.host)
    for one in offered:
        name = field(one, "Package")
        assert updated.installed(name) == field(one, "Version"), done.output
    wait_until_serving(updated.server)
    assert_healthy(updated.server)
    assert request(updated.server, WHO_AM_I, token=token).status == 200


@pytest.mark.upgrades
def test_after_an_update_of_the_lists_a_bad_candidate_is_held_back(
    updated: Updated, demanding: Path
) -> None:
    before = updated.installed()
    updated.repository.publish([demanding])
    assert updated.is_held(demanding)
    again = with_closed_stdin(updated.host)
    assert again.ok and updated.installed() == before, again.output


@pytest.mark.upgrades
def test_what_a_candidate_demands_is_shown_on_demand(updated: Updated) -> None:
    done = updated.host.run("altpeter-matrix", "upgrade", "check", "--json", check=False)
    assert done.returncode == 1
    (verdict,) = json.loads(done.stdout)["checked"]
    wrong = {one["where"]: one["what"] for one in verdict["errors"]}
    assert "demands >=4.0.0" in wrong["Python"]
    assert "Synapse requires PostgreSQL" in wrong["PostgreSQL"]
    assert verdict["way_back"] is True
    assert not any("backup" in what for what in verdict["unchecked"])
    told = {one["where"]: one["what"] for one in verdict["warnings"]}
    assert "older than the 2d of" in told[BACKUP], told
    assert not (updated.host.root / STATE.lstrip("/") / "candidate/unpacked").exists()


@pytest.mark.upgrades
def test_the_deploy_leaves_out_what_is_held_back(
    updated: Updated, demanding: Path, fleet: Fleet
) -> None:
    before = updated.installed()
    assert updated.is_held(demanding)
    updated.host.sh("DEBIAN_FRONTEND=noninteractive apt-get -qy remove certbot </dev/null 2>&1")
    package = str(updated.stock.ours("next"))
    run_pyinfra(fleet.inventory(updated.server, data={"package": package}), "-y")
    assert updated.installed() == before
    assert updated.host.run("dpkg-query", "-W", "-f", "${db:Status-Status}", "certbot").stdout == (
        "installed"
    )


@pytest.mark.upgrades
def test_a_check_that_is_killed_leaves_nothing_and_is_made_again(
    updated: Updated, demanding: Path
) -> None:
    updated.host.run("altpeter-matrix", "upgrade", "release", field(demanding, "Version"))
    updated.host.run("rm", "-f", f"{STATE}/upgrade-checks.json")
    updated.host.run("systemctl", "start", "--no-block", f"{GUARD}.service")
    scratch = updated.host.root / STATE.lstrip("/") / "candidate/unpacked"
    wait_until(scratch.exists, "the candidate is unpacked")
    updated.host.run("systemctl", "kill", "--signal=KILL", f"{GUARD}.service")
    wait_until(updated.is_idle, "the killed check ends")
    assert scratch.exists()
    updated.host.run("systemctl", "start", f"{GUARD}.service")
    assert updated.is_held(demanding)
    assert not scratch.exists()


@pytest.mark.upgrades
def test_what_has_no_way_back_waits_for_a_backup(updated: Updated, fleet: Fleet) -> None:
    change_settings(updated.server, updates={"backup": BACKUP})
    updated.host.sh(
        f"install -D /dev/stdin {BACKUP}; touch --date='3 days ago' {BACKUP}", input="x"
    )
    package = candidate(fleet, updated.host.debian, "1.166.0", leaves_no_way_back)
    updated.repository.publish([package])
    assert updated.is_held(package)
    assert "there is no way back from Synapse 1.166.0" in updated.status()
    backed_up_to(updated.server)
    assert updated.is_held(package), "there is a place, and no backup in it"
    updated.host.run("altpeter-matrix", "backup", "now", timeout=600)
    said = updated.host.run("altpeter-matrix", "upgrade", "check").stdout
    assert "NOT possible without restoring a backup" in said, said
    assert not updated.is_held(package)
    assert_healthy(updated.server)


@pytest.mark.upgrades
def test_purging_the_package_leaves_apt_nothing_to_complain_about(updated: Updated) -> None:
    updated.host.sh(f"DEBIAN_FRONTEND=noninteractive apt-get -qy remove {OURS} </dev/null 2>&1")
    removed = updated.host.sh("apt-get update 2>&1; apt-get -s upgrade 2>&1; apt-config dump")
    assert "Ignoring" not in removed.stdout
    assert 'Origins-Pattern:: "site=packages.lab.test"' in removed.stdout
    updated.host.sh(f"DEBIAN_FRONTEND=noninteractive apt-get -qy purge {OURS} </dev/null 2>&1")
    purged = updated.host.sh("apt-get update 2>&1; apt-get -s upgrade 2>&1; ls /etc/apt/*")
    assert "Ignoring" not in purged.stdout
    assert "52altpeter-matrix" not in purged.stdout and "held-back" not in purged.stdout
