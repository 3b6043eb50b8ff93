"""Each fault of the catalogue, made on a server that is well: seen, named, and ended by the remedy
as it is printed. What a remedy leaves to a person, the test does for him."""

import json
import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from altpeter_matrix.status.checks import CHECKS
from altpeter_matrix.status.run import COULD_NOT_BE_ASKED
from tests.hosts.deployments import Deployment
from tests.hosts.faults import Made, made, subject_of
from tests.hosts.lab import Host
from tests.hosts.probes import Traffic, assert_healthy, login

# A hundred faults take too long for `make test`.
pytestmark = pytest.mark.upgrades
Findings = Mapping[str, dict[str, Any]]
LEFT: set[str] = set()
# A service that was started again needs some of it, and another lab at work most of it.
_WITHIN = 60.0


def pairs(count: int) -> list[tuple[str, str]]:
    """Two faults of different subjects, others on each day."""
    every = [(a, b) for a in made() for b in made() if subject_of(a) < subject_of(b)]
    return random.Random(time.strftime("%Y-%j")).sample(every, count)


@pytest.fixture(scope="module")
def patient(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    """A copy of a server, one for all faults."""
    return clone(deployment, "faults", dns=True)


def look(host: Host, *, daily: bool = False) -> dict[str, Any]:
    words = ["--json", *(["--daily"] if daily else [])]
    said = host.run("altpeter-matrix", "status", *words, check=False)
    answer: dict[str, Any] = json.loads(said.stdout)
    answer["by_id"] = {one["id"]: one for one in answer["findings"]}
    return answer


def findings(host: Host, *, daily: bool = False) -> Findings:
    """What `status` finds, by ID."""
    found: Findings = look(host, daily=daily)["by_id"]
    return found


def told(found: Findings) -> str:
    """Short enough that pytest does not cut it."""
    problems = {name: one["problem"] for name, one in found.items()}
    return "; ".join(f"{name}: {one['where']} {one['what']}" for name, one in problems.items())


def asked_again(host: Host, found: Findings, *, daily: bool) -> Findings:
    """Other labs are at work on the same processors: what could not be asked in time is asked
    again. What a fault keeps from being asked is there each time."""
    for _ in range(3):
        if COULD_NOT_BE_ASKED not in found:
            break
        print(told(found))
        found = findings(host, daily=daily)
    return found


def wait_until_well(host: Host, *, daily: bool = False) -> None:
    """Until nothing is found but what an earlier test, which failed, has left."""
    end = time.monotonic() + _WITHIN
    while set(found := findings(host, daily=daily)) - LEFT:
        if time.monotonic() > end:
            LEFT.update(found)
            raise AssertionError(told(found))
        time.sleep(0.5)


def test_a_healthy_server_has_no_finding_within_three_seconds(patient: Deployment) -> None:
    assert findings(patient.host, daily=True) == {}
    # Other labs are at work on the same processors: the quickest of a few.
    looks = [look(patient.host) for _ in range(4)]
    for seen in looks:
        assert (seen["healthy"], seen["by_id"]) == (True, {})
        assert {one["outcome"] for one in seen["checks"]} <= {"well", "not due"}
    quickest = min(looks, key=lambda seen: float(seen["seconds"]))
    assert quickest["seconds"] < 3, quickest["checks"]


def test_looking_changes_nothing(patient: Deployment) -> None:
    host = patient.host
    host.sh("sleep 1; touch /root/before; sleep 1; altpeter-matrix status --daily")
    places = "/etc /root /usr /var/lib/altpeter-matrix /var/lib/dpkg /var/lib/apt"
    assert host.sh(f"find {places} -newer /root/before ! -path /root").stdout == ""


def test_looking_holds_no_lock(patient: Deployment) -> None:
    """While it waits for who does not answer, too. That a lock would be seen, a shell shows."""
    host, seen = patient.host, '{ grep -c " $! [0-9a-f]*:" /proc/locks || :; }'
    locked = "flock /root/lock sleep 9 & sleep 1;"
    assert host.sh(f"{locked} {seen}; kill $!", check=False).stdout.strip() == "1"
    host.sh("systemctl kill -s STOP nginx matrix-synapse postgresql@*")
    try:
        looks = f"for _ in 1 2 3 4 5 6; do sleep 0.5; kill -0 $! || exit 1; {seen}; done"
        held = host.sh(f"altpeter-matrix status >/dev/null & {looks}", check=False).stdout.split()
    finally:
        host.sh("systemctl kill -s CONT nginx matrix-synapse postgresql@*")
    assert held == ["0"] * 6
    wait_until_well(host)


def test_twenty_who_look_at_once_do_no_harm(patient: Deployment) -> None:
    """On a busy host something may not be answered in time: that is said, and is no error."""
    with Traffic(patient, login(patient)) as traffic, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _number: look(patient.host), range(20)))
    assert (traffic.failures, traffic.answered > 0) == ([], True)
    for answer in answers:
        assert {one["severity"] for one in answer["findings"]} <= {"unknown"}, answer["findings"]
    wait_until_well(patient.host)


def test_with_everything_down_it_takes_less_than_ten_seconds(patient: Deployment) -> None:
    host = patient.host
    host.sh(
        "cp /etc/resolv.conf /root/resolv.conf; echo nameserver 192.0.2.1 >/etc/resolv.conf;"
        " systemctl kill -s STOP nginx matrix-synapse postgresql@*"
    )
    try:
        began = time.monotonic()
        hanging = look(host)
        assert time.monotonic() - began < 10
        assert {"no-answer", "postgresql-does-not-answer"} <= set(hanging["by_id"])
        host.sh("systemctl kill -s CONT nginx matrix-synapse postgresql@*")
        host.sh("systemctl stop nginx matrix-synapse postgresql@*")
        began = time.monotonic()
        stopped = look(host)
        assert time.monotonic() - began < 10
        down = {"nginx-stopped", "synapse-stopped", "postgresql-stopped"}
        assert down <= set(stopped["by_id"])
        # From top to bottom, as somebody reads it: Synapse needs PostgreSQL.
        for one in stopped["findings"]:
            if one["id"] in down:
                host.sh(one["command"])
    finally:
        host.sh(
            "cp /root/resolv.conf /etc/resolv.conf;"
            " systemctl kill -s CONT nginx matrix-synapse postgresql@* 2>/dev/null;"
            " systemctl start postgresql matrix-synapse nginx"
        )
    wait_until_well(host)


@pytest.mark.parametrize("fault", made())
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
        assert fault in found, told(found)
        besides = asked_again(host, found, daily=how.daily)
        assert set(besides) <= {fault, *how.beside, *LEFT}, told(besides)
        command = found[fault]["command"]
        if not how.pretended:
            assert (command is None) is bool(how.cure), "its remedy is a command, or a person's"
    finally:
        cure = how.cure or (found.get(fault) or {}).get("command")
        if cure:
            host.sh(cure)
    wait_until_well(host, daily=how.daily)


@pytest.mark.parametrize(("one", "other"), pairs(30))
def test_two_faults_at_a_time(patient: Deployment, one: str, other: str) -> None:
    """Each is seen, or could not be because of the other; one remedy after the other ends both."""
    host, left = patient.host, {one: made()[one], other: made()[other]}
    daily = any(how.daily for how in left.values())
    for how in left.values():
        host.sh(how.make)
    for _ in range(3):
        seen = look(host, daily=daily)
        for fault, how in list(left.items()):
            if fault in seen["by_id"]:
                host.sh(how.cure or seen["by_id"][fault]["command"])
                del left[fault]
            else:
                outcome = outcome_of(fault, seen)["outcome"]
                assert outcome in {"skipped", "unknown"}, f"{fault}: {told(seen['by_id'])}"
        if not left:
            break
    assert not left, told(seen["by_id"])
    for how in (made()[one], made()[other]):
        if how.tidy:
            host.sh(how.tidy)
    wait_until_well(host, daily=daily)


def outcome_of(fault: str, seen: Mapping[str, Any]) -> Mapping[str, Any]:
    """What became of the check that looks for a fault."""
    name = next(check.name for check in CHECKS if fault in check.faults)
    return next(one for one in seen["checks"] if one["name"] == name)


def test_the_server_is_well_in_the_end(patient: Deployment) -> None:
    assert_healthy(patient)
