"""A host goes to Debian 13 while an edit that nobody adopted holds Synapse back."""

from collections.abc import Callable

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host, Lab
from tests.hosts.lab.synapse_deb import package
from tests.hosts.probes import (
    assert_healthy,
    installed_synapse,
    login,
    request,
    wait_until_serving,
)
from tests.hosts.status import status_of
from tests.hosts.upgrades.bench import ADOPT, WHO_AM_I
from tests.hosts.upgrades.cells import State
from tests.hosts.upgrades.packages import Repository, field, repack
from tests.hosts.upgrades.release import follow_trixie, full_upgrade, unfinished
from tests.hosts.upgrades.states import HOMESERVER, SETUPS

pytestmark = pytest.mark.upgrades

MATRIX_ORG = "/etc/apt/sources.list.d/matrix-org.sources"


def offer_another_homeserver_yaml(lab: Lab, host: Host) -> None:
    """To Debian 13, and no Synapse beside it."""
    original = package("13")
    version = f"{field(original, 'Version')}+r1"
    change = {HOMESERVER: "# Changed upstream.\n"}
    host.run("rm", MATRIX_ORG)
    repository = Repository(lab, host, "trixie")
    repository.publish([repack(original, lab.state / "held-back", version, change)])


def assert_still_logged_in(server: Deployment, token: str) -> None:
    wait_until_serving(server)
    answer = request(server, WHO_AM_I, token=token)
    assert server.administrator in answer.body.decode()


def test_the_old_synapse_serves_until_the_edit_is_adopted(
    lab: Lab, debian12: Deployment, clone: Callable[..., Deployment]
) -> None:
    server = clone(debian12, "held-back", dns=True)
    host = server.host
    wait_until_serving(server)
    token = login(server)
    host.sh(SETUPS[State.HOMESERVER_EDITED].make)
    edited = host.read(HOMESERVER)
    offer_another_homeserver_yaml(lab, host)
    follow_trixie(host)
    worked, screen = full_upgrade(host)
    assert worked, screen[-3000:]
    host.reboot()

    assert_still_logged_in(server, token)
    assert host.read(HOMESERVER) == edited
    assert "bookworm" in installed_synapse(host)
    status = status_of(host)
    assert status.returncode == 1
    told = [line for line in status.stdout.splitlines() if "is held back" in line]
    assert any(ADOPT in line for line in told), status.stdout

    host.run("altpeter-matrix", "adopt")
    host.run("apt-get", "-q", "update")
    worked, screen = full_upgrade(host)
    assert worked, screen[-3000:]
    assert_still_logged_in(server, token)
    assert "trixie" in installed_synapse(host)
    assert list(unfinished(host)) == []
    assert_healthy(server)
