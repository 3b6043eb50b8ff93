"""The deploy of a bare host, killed with SIGKILL at many points: the next run completes it."""

import time

import pytest

from tests.hosts.deployments import (
    TOP,
    Deployment,
    lab_settings,
    operations_changed,
    run_pyinfra,
    write_inventory,
)
from tests.hosts.killing import Campaign, Point, kill_pyinfra
from tests.hosts.lab import Host, Lab
from tests.hosts.probes import assert_healthy

# In the order of the deploy, so that each operation is killed the first time it does something.
# apt goes on when its connection is killed: the next run finds the package manager at work.
FIRST_DEPLOY = (
    Point(1.5),
    Point(0.0, "Trust the key"),
    Point(0.05, "Use Synapse's repository"),
    Point(0.05, "Write the settings"),
    Point(0.1, "Answer the questions"),
    Point(2.0, "Install the packages"),
    Point(0.0, dpkg_stage="status unpacked nginx:"),
    Point(0.0, dpkg_stage="status half-configured matrix-synapse-py3:"),
    Point(0.0, dpkg_stage="trigproc altpeter-matrix-config:"),
    Point(0.0, "Make the settings effective"),
    Point(0.0, "Disable the default site"),
    Point(0.3, "Close all ports"),
    Point(1.0, "Have a certificate"),
    Point(0.0, "Keep the clock right"),
    Point(0.1, "Make the administrator"),
)


def interrupt_first_deploy(lab: Lab, debian: str) -> Campaign:
    """Kill the deploy of a bare host again and again, each time a little further on."""
    campaign = Campaign()
    name = f"gamma{debian}"
    log = lab.state / f"killed-{name}.log"
    log.unlink(missing_ok=True)
    host = lab.host(name, debian=debian, dns=(f"{name}.test",))
    settings = lab_settings(lab, f"{name}.test")
    server = Deployment(host=host, settings=settings, ca_file=lab.ca_file)
    inventory = write_inventory(lab.state / "inventories" / name, {host: settings})
    for point in FIRST_DEPLOY:
        killed = kill_pyinfra(inventory, point, log, host) is None
        (campaign.killed if killed else campaign.ended).append(point)
        assert_no_half_state(host)
    began = time.monotonic()
    run_pyinfra(inventory, "-y")
    campaign.seconds = time.monotonic() - began
    assert_healthy(server)
    assert host.run("dpkg", "--audit").stdout == ""
    assert operations_changed(run_pyinfra(inventory, "-y", "--json")) == []
    lab.discard(host)
    return campaign


def assert_no_half_state(host: Host) -> None:
    """Whatever is there is whole: the link, the site and Synapse's configuration."""
    host.sh(
        "current=/var/lib/altpeter-matrix/current; "
        "if [ -L $current ]; then test -s $current/generation.json; "
        "test -s $current/nginx/site.conf; test -s $current/synapse/altpeter-matrix.yaml; fi; "
        "if [ -e /etc/nginx/sites-enabled/altpeter-matrix ]; then nginx -t; fi"
    )


@pytest.mark.parametrize("debian", ["13", pytest.param("12", marks=pytest.mark.upgrades)])
def test_the_first_deploy_survives_being_killed(lab: Lab, debian: str) -> None:
    operations = (TOP / "deploy.py").read_text()
    assert all(point.operation in operations for point in FIRST_DEPLOY)
    campaign = interrupt_first_deploy(lab, debian)
    assert len(campaign.killed) >= 10, campaign
