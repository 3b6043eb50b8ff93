"""Each fault of the catalogue, made on a server that is well: seen, named, and ended by the remedy
as it is printed. What a remedy leaves to a person, the test does for him."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.faults import Made, made
from tests.hosts.lab import Host
from tests.hosts.probes import assert_healthy

FAULTS = pytest.mark.parametrize("fault", made())
# A service that was started again needs some of it.
_WITHIN = 30.0


@pytest.fixture(
    scope="module", params=[pytest.param("debian12", marks=pytest.mark.upgrades), "debian13"]
)
def patient(request: pytest.FixtureRequest, clone: Callable[..., Deployment]) -> Deployment:
    """A copy of a server, one for all faults."""
    return clone(request.getfixturevalue(request.param), "faults", dns=True)


def findings(host: Host, *, daily: bool = False) -> dict[str, dict[str, Any]]:
    """What `status` finds, by ID."""
    words = ["--json", *(["--daily"] if daily else [])]
    said = host.run("altpeter-matrix", "status", *words, check=False)
    return {one["id"]: one for one in json.loads(said.stdout)["findings"]}


def wait_until(host: Host, *, without: str, daily: bool) -> dict[str, dict[str, Any]]:
    end = time.monotonic() + _WITHIN
    while True:
        found = findings(host, daily=daily)
        if without not in found and not errors(found):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.5)


def errors(found: dict[str, dict[str, Any]]) -> list[str]:
    return [one for one, finding in found.items() if finding["severity"] != "warning"]


def test_a_healthy_server_has_no_finding(patient: Deployment) -> None:
    assert findings(patient.host, daily=True) == {}


@FAULTS
def test_a_fault_is_seen_and_its_remedy_ends_it(patient: Deployment, fault: str) -> None:
    how, host = made()[fault], patient.host
    try:
        see_and_end(host, fault, how)
    finally:
        if how.tidy:
            host.sh(how.tidy)


def see_and_end(host: Host, fault: str, how: Made) -> None:
    host.sh(how.make)
    found = findings(host, daily=how.daily)
    try:
        assert fault in found, found
        assert set(found) <= {fault, *how.beside}
        command = found[fault]["command"]
        if not how.pretended:
            assert (command is None) is bool(how.cure), "its remedy is a command, or a person's"
    finally:
        cure = how.cure or (found.get(fault) or {}).get("command")
        if cure:
            host.sh(cure)
    assert wait_until(host, without=fault, daily=how.daily) == {}


def test_the_server_is_well_in_the_end(patient: Deployment) -> None:
    assert_healthy(patient)
