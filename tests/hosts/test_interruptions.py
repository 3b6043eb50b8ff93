"""Killed with SIGKILL at many points: the deploy of a bare host, a deploy with changed settings,
and ``altpeter-matrix apply``. The server goes on with the old or the new state, and the next run
completes what the killed one began, restarts included.

The three campaigns run at the same time, each on a host of its own: in `make test` on the release
that is named first, in `make test-upgrades` on the other one.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hosts.deployments import (
    TOP,
    Deployment,
    lab_settings,
    operations_changed,
    pyinfra_argv,
    run_pyinfra,
    write_inventory,
)
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host
from tests.hosts.probes import (
    assert_healthy,
    login,
    upload_limit,
    wait_until_serving,
    well_known_client,
)

SETTINGS = "/etc/altpeter-matrix/settings.yaml"
MARK = "test.round"
MIB = 1024**2
# Starts apply and kills it after a time: alone, or with all that it started. Prints how long it
# took if it was quicker.
KILL_APPLY = """
import os, signal, subprocess, sys, time
delay, whole = float(sys.argv[1]), sys.argv[2] == "group"
began = time.monotonic()
process = subprocess.Popen(["altpeter-matrix", "apply"], start_new_session=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    process.wait(delay)
    print(time.monotonic() - began)
except subprocess.TimeoutExpired:
    (os.killpg if whole else os.kill)(process.pid, signal.SIGKILL)
    process.wait()
"""


@dataclass(frozen=True)
class Point:
    """When to kill: so long after an operation has started, or else after the run has; and not
    before the host's dpkg has logged a stage of its work."""

    seconds: float
    operation: str = ""
    dpkg_stage: str = ""


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
    Point(0.0, "Let updates install"),
    Point(0.0, "Keep the clock right"),
    Point(0.1, "Make the administrator"),
)


@dataclass
class Campaign:
    """What was killed, and when."""

    killed: list[Point] = field(default_factory=list)
    ended: list[Point] = field(default_factory=list)  # too late: the run was through
    seconds: float = 0  # how long one uninterrupted run takes


def changed(settings: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Settings of a round: the first key needs a restart of Synapse, the second nginx's reload."""
    return {
        **settings,
        "uploads": {"max_size": f"{number}M"},
        "well_known": {"client": {MARK: number}},
    }


def loaded_round(server: Deployment, token: str) -> tuple[int, int]:
    """The rounds that the running Synapse and the running nginx work by."""
    limit = upload_limit(server, token)
    assert limit % MIB == 0
    return limit // MIB, int(well_known_client(server)[MARK])


def assert_old_or_new(server: Deployment, token: str, number: int) -> None:
    """At most one restart of Synapse is under way, then each program has one of the two."""
    # nginx answers at all times; Synapse may be within the restart that the killed run asked for.
    assert well_known_client(server)[MARK] in {number - 1, number}
    wait_until_serving(server, within=60)
    assert set(loaded_round(server, token)) <= {number - 1, number}


def wait_for_dpkg(host: Host, stage: str, process: subprocess.Popen[str]) -> None:
    """Wait until a line of the host's dpkg log holds a stage, or the process has ended."""
    while process.poll() is None:
        if host.run("grep", "-qsF", stage, "/var/log/dpkg.log", check=False).returncode == 0:
            return
        time.sleep(0.1)


def kill_pyinfra(inventory: Path, point: Point, log: Path, host: Host) -> float | None:
    """Start the public command and kill it, and what it started here, at a point.

    Returns how long it took when it had ended before; then it must have succeeded.
    """
    began = time.monotonic()
    # A killed run leaves its scratch directories.
    scratch = log.with_suffix(".tmp")
    scratch.mkdir(exist_ok=True)
    process = subprocess.Popen(
        pyinfra_argv(inventory, "-y"),
        cwd=TOP,
        env={**os.environ, "PYINFRA_PROGRESS": "off", "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    output = process.stdout
    assert output is not None
    with log.open("a") as record, output:
        record.write(f"===== {point}\n")
        if point.operation:
            for line in output:
                record.write(line)
                if "Starting operation" in line and point.operation in line:
                    break
        if point.dpkg_stage:
            wait_for_dpkg(host, point.dpkg_stage, process)
        try:
            process.wait(point.seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None
        record.write(output.read())
    assert process.returncode == 0, f"the run after a killed one failed:\n{log.read_text()}"
    return time.monotonic() - began


def interrupt(
    server: Deployment,
    count: int,
    kill: Callable[[int, float], float | None],
    complete: Callable[[int], object],
) -> Campaign:
    """Kill a change at so many points, spread over its run; after each, another run completes it.

    kill: begin the change to a round, kill it after so many seconds; how long it took if quicker.
    complete: run the change to that round to its end.
    """
    campaign = Campaign()
    wait_until_serving(server)
    token = login(server)
    number = 1
    began = time.monotonic()
    complete(number)
    campaign.seconds = time.monotonic() - began
    fractions = [(index + 0.5) / count for index in range(count)]
    while fractions and number < 3 * count:
        number += 1
        delay = fractions[0] * campaign.seconds
        took = kill(number, delay)
        if took is None:
            campaign.killed.append(Point(delay))
            fractions.pop(0)
        else:
            # Quicker than the run that was measured, so this is the better measure.
            campaign.ended.append(Point(delay))
            campaign.seconds = min(campaign.seconds, took) * 0.97
        assert_old_or_new(server, token, number)
        complete(number)
        wait_until_serving(server, within=5)
        assert loaded_round(server, token) == (number, number), f"killed after {delay:.3f} s"
        assert_healthy(server)
    return campaign


def interrupt_apply(server: Deployment) -> Campaign:
    """Kill apply at 20 points of its run."""
    host = server.host
    settings = yaml.safe_load(host.read(SETTINGS))
    host.write("/root/kill_apply.py", KILL_APPLY)

    def write(number: int) -> None:
        host.write(SETTINGS, yaml.safe_dump(changed(settings, number), sort_keys=False))

    def kill(number: int, delay: float) -> float | None:
        write(number)
        how = "group" if number % 2 else "alone"
        took = host.run("python3", "/root/kill_apply.py", f"{delay:.3f}", how).stdout
        return float(took) if took else None

    def complete(number: int) -> None:
        write(number)
        host.run("altpeter-matrix", "apply")

    return interrupt(server, 20, kill, complete)


def interrupt_changed_deploy(fleet: Fleet, server: Deployment) -> Campaign:
    """Kill the deploy of changed settings at 10 points of its run."""
    log = fleet.lab.state / f"killed-{server.host.name}.log"
    log.unlink(missing_ok=True)

    def inventory(number: int) -> Path:
        return fleet.inventory(server, **changed({}, number))

    return interrupt(
        server,
        10,
        lambda number, delay: kill_pyinfra(inventory(number), Point(delay), log, server.host),
        lambda number: run_pyinfra(inventory(number), "-y"),
    )


def interrupt_first_deploy(fleet: Fleet, debian: str) -> Campaign:
    """Kill the deploy of a bare host again and again, each time a little further on."""
    lab, campaign = fleet.lab, Campaign()
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
    return campaign


def assert_no_half_state(host: Host) -> None:
    """Whatever is there is whole: the link, the site and Synapse's configuration."""
    host.sh(
        "current=/var/lib/altpeter-matrix/current; "
        "if [ -L $current ]; then test -s $current/generation.json; "
        "test -s $current/nginx/site.conf; test -s $current/synapse/altpeter-matrix.yaml; fi; "
        "if [ -e /etc/nginx/sites-enabled/altpeter-matrix ]; then nginx -t; fi"
    )


def releases(first: str, second: str) -> pytest.MarkDecorator:
    """The releases of a campaign, the one of `make test` first."""
    other = pytest.param(second, marks=pytest.mark.upgrades)
    return pytest.mark.parametrize("debian", [first, other])


Campaigns = Mapping[tuple[Callable[..., None], str], Future[Campaign]]


@pytest.fixture(scope="module")
def campaigns(
    fleet: Fleet,
    clone: Callable[..., Deployment],
    request: pytest.FixtureRequest,
) -> Iterator[Campaigns]:
    """Starts the campaigns that the selected tests ask for, each by its test and release."""
    selected = [
        (item.function, str(item.callspec.params["debian"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    ]
    with ThreadPoolExecutor() as pool:
        running: dict[tuple[Callable[..., None], str], Future[Campaign]] = {}
        for test, debian in selected:
            if test == test_the_first_deploy_survives_being_killed:
                running[test, debian] = pool.submit(interrupt_first_deploy, fleet, debian)
                continue
            original = request.getfixturevalue(f"debian{debian}")
            if test == test_apply_survives_being_killed:
                server = clone(original, "apply", dns=True)
                running[test, debian] = pool.submit(interrupt_apply, server)
            else:
                server = clone(original, "changes", dns=True)
                running[test, debian] = pool.submit(interrupt_changed_deploy, fleet, server)
        yield running
    for name in {"gamma12", "gamma13"} & fleet.lab.hosts.keys():
        fleet.lab.discard(fleet.lab.hosts[name])


@pytest.mark.usefixtures("both")
@releases("12", "13")
def test_apply_survives_being_killed(campaigns: Campaigns, debian: str) -> None:
    campaign = campaigns[test_apply_survives_being_killed, debian].result()
    assert len(campaign.killed) >= 20, campaign


@pytest.mark.usefixtures("both")
@releases("13", "12")
def test_a_changed_deploy_survives_being_killed(campaigns: Campaigns, debian: str) -> None:
    campaign = campaigns[test_a_changed_deploy_survives_being_killed, debian].result()
    assert len(campaign.killed) >= 10, campaign


@releases("13", "12")
def test_the_first_deploy_survives_being_killed(campaigns: Campaigns, debian: str) -> None:
    campaign = campaigns[test_the_first_deploy_survives_being_killed, debian].result()
    assert len(campaign.killed) >= 10, campaign
