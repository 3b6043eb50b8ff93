"""One command on a bare host; the same command again; a reboot; and the command on the host."""

import http.client
import json
import shutil
import site
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hosts.deployments import TOP, Deployment, operations_changed, run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host
from tests.hosts.probes import (
    assert_healthy,
    difference,
    request,
    state_of,
    wait_until_serving,
    well_known_client,
)
from tests.hosts.status import status_of


def test_one_run_brings_a_bare_host_to_a_healthy_server(deployment: Deployment) -> None:
    assert_healthy(deployment)
    status = json.loads(status_of(deployment.host, "--json").stdout)
    assert status["healthy"] is True


def test_the_run_says_where_the_server_is_and_which_records_it_needs(
    fleet: Fleet, deployment: Deployment
) -> None:
    output = fleet.record(deployment, "output")
    assert deployment.base_url in output
    assert deployment.administrator in output
    ipv4, ipv6 = fleet.record(deployment, "addresses").split()
    for name in (deployment.server_name, deployment.public_name):
        assert f"{name}. 3600 IN A {ipv4}  is set" in output
        assert f"{name}. 3600 IN AAAA {ipv6}  is set" in output


def test_a_dry_second_run_predicts_nothing(fleet: Fleet, deployment: Deployment) -> None:
    predicted = run_pyinfra(fleet.inventory(deployment), "--dry", "--json")
    assert operations_changed(predicted) == []


def test_a_second_run_changes_nothing(fleet: Fleet, deployment: Deployment) -> None:
    before = state_of(deployment.host)
    done = run_pyinfra(fleet.inventory(deployment), "-y", "--json")
    assert operations_changed(done) == []
    assert difference(before, state_of(deployment.host)) == {}


def test_what_should_change_is_predicted_and_not_done_by_a_dry_run(
    fleet: Fleet, debian12: Deployment
) -> None:
    """Proves that the two tests above can fail."""
    before = state_of(debian12.host)
    inventory = fleet.inventory(debian12, log_level="WARNING")
    assert operations_changed(run_pyinfra(inventory, "--dry", "--json")) != []
    assert difference(before, state_of(debian12.host)) == {}


def test_after_a_reboot_everything_is_back_by_itself(deployment: Deployment) -> None:
    deployment.host.reboot()
    wait_until_serving(deployment, within=60)
    assert_healthy(deployment)


@pytest.mark.parametrize("name", ["matrix.beta.test", "beta.test"])
def test_plain_http_leads_to_https(debian13: Deployment, name: str) -> None:
    connection = http.client.HTTPConnection(debian13.host.ipv4, timeout=20)
    connection.request("GET", "/some/page?x=1", headers={"Host": name})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{name}/some/page?x=1")


def test_the_alias_is_served_with_a_certificate_that_names_it(debian13: Deployment) -> None:
    for port in (443, 8448):
        assert request(debian13, name="beta.test", port=port).status == 200


def test_the_server_name_leads_clients_to_the_public_name(debian12: Deployment) -> None:
    document = well_known_client(debian12, name="alpha.test")
    assert document["m.homeserver"]["base_url"].rstrip("/") == "https://matrix.alpha.test"


def test_conffiles_of_other_packages_stay_as_they_came(deployment: Deployment) -> None:
    packages = ("matrix-synapse-py3", "nginx-common", "postgresql-common", "certbot")
    found = deployment.host.run("dpkg", "--verify", *packages, check=False).stdout
    assert [line for line in found.splitlines() if " c /" in line] == []


def test_the_files_of_unattended_upgrades_stay_as_they_came(deployment: Deployment) -> None:
    """Its settings are no conffile: ucf made them from the packaged one."""
    host, name = deployment.host, "50unattended-upgrades"
    assert host.run("dpkg", "--verify", "unattended-upgrades", check=False).stdout == ""
    packaged = f"/usr/share/unattended-upgrades/{name}"
    host.run("cmp", packaged, f"/etc/apt/apt.conf.d/{name}")


def test_updates_install_themselves_synapses_included(deployment: Deployment) -> None:
    said = deployment.host.run("unattended-upgrade", "--dry-run", "--verbose").stdout
    origins = next(line for line in said.splitlines() if "Allowed origins" in line)
    assert "packages.lab.test" in origins and "Debian-Security" in origins


def test_the_clock_is_set_from_the_network(deployment: Deployment) -> None:
    """In a container the unit is not started, since the machine's own clock counts there."""
    enabled = deployment.host.run("systemctl", "is-enabled", "systemd-timesyncd").stdout
    assert enabled.strip() == "enabled"


def test_the_firewall_lets_ssh_in_on_every_port_that_sshd_has(
    fleet: Fleet, debian13: Deployment
) -> None:
    with fleet.clone(debian13, "ports", dns=True) as clone:
        clone.host.write("/etc/ssh/sshd_config.d/ports.conf", "Port 22\nPort 2222\n")
        clone.host.run("systemctl", "restart", "ssh")
        assert not speaks_ssh(clone.host, 2222), "the firewall was not closed before"
        run_pyinfra(fleet.inventory(clone), "-y")
        assert speaks_ssh(clone.host, 2222)
        assert speaks_ssh(clone.host, 22)


def speaks_ssh(host: Host, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host.ipv4, port), timeout=3) as connection:
        connection.settimeout(20)  # on a busy machine a new sshd needs its time
        return connection.recv(4) == b"SSH-"
    return False


def test_the_command_works_on_the_host_itself(
    fleet: Fleet, debian12: Deployment, debian13: Deployment, tmp_path: Path
) -> None:
    """``pyinfra @local deploy.py``: nothing to do, then a changed setting."""
    # pyinfra's modules are the controller's, so the host's Python must be the same version.
    suitable = {(3, 11): debian12, (3, 13): debian13}.get(sys.version_info[:2])
    assert suitable is not None, "run the tests with Debian 12's or 13's version of Python"
    with fleet.clone(suitable, "local", dns=True) as clone:
        top = clone.host.root / "root/altpeter-matrix-config"
        shutil.copytree(TOP, top, ignore=shutil.ignore_patterns("build", ".git", "tests"))
        shutil.copytree(
            site.getsitepackages()[0],
            clone.host.root / "opt/pyinfra",
            ignore=shutil.ignore_patterns("mypy*", "ruff*", "*_tests", "__pycache__"),
        )

        def deploy(settings: object) -> list[str]:
            inventory = f"homeserver = [('@local', {{'matrix': {settings!r}}})]\n"
            (top / "my_server").mkdir(exist_ok=True)
            (top / "my_server/inventory.py").write_text(inventory)
            result = clone.host.sh(
                "cd /root/altpeter-matrix-config; export PYTHONPATH=/opt/pyinfra; "
                "python3 -m pyinfra -y --json my_server/inventory.py deploy.py",
            )
            results = json.loads(result.stdout)["results"]
            return [op["name"] for op in results["operations"] if op["success"]]

        assert deploy(dict(clone.settings)) == []
        page = "https://help.test/"
        documents = {"client": {"test.local": True}, "support": {"support_page": page}}
        assert deploy({**clone.settings, "well_known": documents}) != []
        assert well_known_client(clone)["test.local"] is True
        assert request(clone, "/.well-known/matrix/support").json()["support_page"] == page
        assert_healthy(clone)
