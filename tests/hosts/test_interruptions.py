"""Killed with SIGKILL at many points: ``altpeter-matrix apply``, and the deploy of changed
settings. The server goes on with the old or the new state, and the next run completes what the
killed one began, restarts included. The deploy of a bare host: `test_first_deploy_killed`.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hosts.deployments import Deployment, run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.killing import Campaign, Point, kill_pyinfra
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


def interrupt_apply(server: Deployment, count: int) -> Campaign:
    """Kill apply at so many points of its run."""
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

    return interrupt(server, count, kill, complete)


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


# Each point costs two restarts of Synapse; tests/unit/apply/test_crash_safety.py has more of them.
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("debian12", 12),
        pytest.param("debian12", 20, marks=pytest.mark.upgrades),
        pytest.param("debian13", 20, marks=pytest.mark.upgrades),
    ],
)
def test_apply_survives_being_killed(
    clone: Callable[..., Deployment], request: pytest.FixtureRequest, name: str, count: int
) -> None:
    server = clone(request.getfixturevalue(name), f"apply{count}", dns=True)
    campaign = interrupt_apply(server, count)
    assert len(campaign.killed) >= count, campaign


@pytest.mark.upgrades
def test_a_changed_deploy_survives_being_killed(
    fleet: Fleet, clone: Callable[..., Deployment], deployment: Deployment
) -> None:
    server = clone(deployment, "changes", dns=True)
    campaign = interrupt_changed_deploy(fleet, server)
    assert len(campaign.killed) >= 10, campaign
