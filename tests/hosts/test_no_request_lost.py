"""Synapse restarts, is upgraded, stopped, killed; nginx reloads: what its clients see of it.

On each release one clone takes it all, in order. The load has a user of its own for each part, so
that what the server has can be compared with what it has acknowledged.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import pytest

from tests.clients.load import VERSIONS, Load, Report
from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host
from tests.hosts.lab.synapse_deb import package
from tests.hosts.people import change_settings, homeserver_of, new_account
from tests.hosts.probes import (
    assert_healthy,
    installed_synapse,
    request,
    settled_history,
    wait_until_serving,
)
from tests.hosts.status import status_of

OLD, MIDDLE, NEW = "1.157.2", "1.160.0", "1.163.2"
OFTEN = {"per_second": 1000, "burst_count": 10000}
# Three clients that log in all the time would take most of a processor for hashes of passwords.
UNLIMITED = {
    "rc_message": OFTEN,
    "rc_login": {"address": OFTEN, "account": OFTEN},
    "rc_room_creation": OFTEN,
    "bcrypt_rounds": 10,
}
HOLD = "altpeter-matrix-hold"
SITE = "/var/lib/altpeter-matrix/current/nginx/site.conf"


def install_synapse(host: Host, version: str) -> None:
    """From the repository, or for the version that is in none from a file in /root."""
    package = f"'matrix-synapse-py3={version}*'"
    if version == MIDDLE:
        package = f"/root/matrix-synapse-py3_{version}+*.deb"
    host.sh(
        "DEBIAN_FRONTEND=noninteractive apt-get -q -y --allow-downgrades "
        f"install {package} </dev/null 2>&1",
        timeout=300,
    )


@pytest.fixture(scope="module")
def server(deployment: Deployment, fleet: Fleet) -> Iterator[Deployment]:
    """A clone with the older Synapse, whose names lead to it, without Synapse's rate limits."""
    with fleet.clone(deployment, "hold", dns=True) as copy:
        wait_until_serving(copy)
        install_synapse(copy.host, OLD)
        change_settings(copy, synapse=UNLIMITED)
        yield copy


@pytest.fixture
def load(server: Deployment) -> Load:
    return Load(new_account(server, "load"))


def assert_nothing_failed(what: str, server: Deployment, load: Load) -> Report:
    print(f"Debian {server.host.debian}, {what}: {load.report}")
    assert load.report.failures == []
    load.assert_nothing_lost_or_doubled()
    return load.report


def test_three_restarts_lose_no_request(server: Deployment, load: Load) -> None:
    with load:
        for _ in range(3):
            server.host.run("systemctl", "restart", "matrix-synapse")
            load.breathe(1)  # some requests to the new process
    report = assert_nothing_failed("three restarts", server, load)
    assert report.longest_gap > 1, "there was no interruption"
    assert {one.kind for one in report.samples} >= {"get", "send", "login", "keys", "room", "poll"}


def test_an_upgrade_of_synapse_loses_no_request(server: Deployment, load: Load) -> None:
    assert installed_synapse(server.host).startswith(OLD)
    with load:
        install_synapse(server.host, NEW)
        load.breathe(1)
    assert installed_synapse(server.host).startswith(NEW)
    assert_nothing_failed("package upgrade", server, load)


@pytest.mark.upgrades
@pytest.mark.parametrize(("old", "new"), tuple(combinations((OLD, MIDDLE, NEW), 2)))
def test_an_upgrade_between_any_two_versions_loses_no_request(
    server: Deployment, load: Load, old: str, new: str
) -> None:
    middle = package(server.host.debian, MIDDLE)
    (server.host.root / "root" / middle.name).write_bytes(middle.read_bytes())
    install_synapse(server.host, old)
    wait_until_serving(server)
    before = settled_history(server.host)["good"]["version"]
    with load:
        install_synapse(server.host, new)
        load.breathe(1)
    assert installed_synapse(server.host).startswith(new)
    assert_nothing_failed(f"{old} to {new}", server, load)
    entry = settled_history(server.host)["upgrades"][-1]
    print(f"Debian {server.host.debian}: {entry}")
    assert (entry["before"], entry["version"]) == (before, installed_synapse(server.host))
    assert entry["result"] == "passed"
    assert entry["held"] > 0 and entry["failed"] == 0


@pytest.mark.upgrades
def test_a_setting_that_needs_a_restart_loses_no_request(server: Deployment, load: Load) -> None:
    before = server.host.run("systemctl", "show", "-P", "MainPID", "matrix-synapse").stdout
    with load:
        change_settings(server, uploads={"max_size": "6M"})
        load.breathe(1)
    assert server.host.run("systemctl", "show", "-P", "MainPID", "matrix-synapse").stdout != before
    assert_nothing_failed("apply with a restart", server, load)


@pytest.mark.upgrades
def test_reloads_of_nginx_lose_no_request(server: Deployment, load: Load) -> None:
    with load:
        for _ in range(5):
            server.host.run("systemctl", "reload", "nginx")
            load.breathe(0.5)
    assert_nothing_failed("five reloads of nginx", server, load)


@pytest.mark.upgrades
def test_a_renewed_certificate_loses_no_request(server: Deployment, load: Load) -> None:
    serial = request(server).certificate["serialNumber"]
    with load:
        server.host.run(
            "certbot", "renew", "--force-renewal", "--no-random-sleep-on-renew", "--quiet"
        )
        load.breathe(1)
    assert request(server).certificate["serialNumber"] != serial
    assert_nothing_failed("renewed certificate", server, load)


@pytest.mark.upgrades
def test_reloads_of_nginx_while_requests_wait_lose_none(server: Deployment, load: Load) -> None:
    with load:
        server.host.run("systemctl", "--no-block", "restart", "matrix-synapse")
        for _ in range(3):
            load.breathe(0.7)
            server.host.run("systemctl", "reload", "nginx")
        server.host.sh(f"systemctl kill -s KILL {HOLD}.service || true")
        wait_until_serving(server, within=90)
    assert_nothing_failed("reloads of nginx and a killed hold during a restart", server, load)


@pytest.mark.upgrades
def test_killing_synapse_fails_only_what_it_was_doing(server: Deployment, load: Load) -> None:
    with load:
        load.breathe(1)
        killed = time.monotonic()
        server.host.run("systemctl", "kill", "--signal=KILL", "matrix-synapse")
        wait_until_serving(server, within=90)
    print(f"Debian {server.host.debian}, kill -9: {load.report}; {load.report.failures}")
    failed = [one for one in load.report.samples if one.failure]
    # Only a POST may fail: it may have taken effect, so nobody but the client may repeat it.
    assert {one.kind for one in failed} <= {"login", "keys", "room"}
    assert len(failed) <= 8
    assert all("may have taken effect" in str(one.failure) for one in failed)
    assert all(one.began < killed + 1.5 for one in failed)
    # Acknowledged is acknowledged, and nothing is doubled.
    timeline = load.timeline()
    assert len(timeline) == len(set(timeline))
    assert set(load.report.messages) == set(timeline)


@pytest.mark.upgrades
def test_a_stopped_synapse_is_told_after_the_limit_and_not_started(server: Deployment) -> None:
    host, homeserver = server.host, homeserver_of(server)
    host.sh(f"cp -p {SITE} /root/site.conf && sed -i 's/\\b90s;/4s;/' {SITE}")
    host.run("systemctl", "reload", "nginx")
    try:
        host.run("systemctl", "stop", "matrix-synapse")
        began = time.monotonic()
        with ThreadPoolExecutor() as pool:
            answers = list(
                pool.map(
                    lambda method: homeserver.request(method, VERSIONS), ["GET", "PUT", "POST"]
                )
            )
        assert 3.5 < time.monotonic() - began < 8
        for answer in answers:
            assert answer.status == 503
            assert answer.json["errcode"] == "M_UNKNOWN"
            assert answer.headers["retry-after"] == "10"
            assert answer.headers["access-control-allow-origin"] == "*"
        state = host.run("systemctl", "is-active", "matrix-synapse", check=False).stdout
        assert state.strip() == "inactive"
    finally:
        # A restart: after a reload an old worker may still take the next request.
        host.sh(f"cp -p /root/site.conf {SITE}; systemctl restart nginx")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(homeserver.request, "GET", VERSIONS)
        host.run("systemctl", "start", "matrix-synapse")
        assert waiting.result().status == 200


@pytest.mark.upgrades
def test_without_the_hold_and_the_drain_a_restart_loses_requests(
    server: Deployment, load: Load
) -> None:
    """The load itself can fail: otherwise nothing above would mean anything."""
    drop_in = "/run/systemd/system/matrix-synapse.service.d/99-no-drain.conf"
    host = server.host
    host.write(drop_in, "[Service]\nExecStop=\n")
    host.sh(f"systemctl daemon-reload; systemctl stop {HOLD}.socket {HOLD}.service")
    try:
        with load:
            host.run("systemctl", "restart", "matrix-synapse")
    finally:
        host.sh(f"rm {drop_in}; systemctl daemon-reload; systemctl start {HOLD}.socket")
    print(f"Debian {host.debian}, without the hold: {load.report}")
    assert len(load.report.failures) > 10


def test_the_hold_is_part_of_the_status(server: Deployment) -> None:
    host = server.host
    assert_healthy(server)
    host.run("systemctl", "stop", f"{HOLD}.socket")
    try:
        status = status_of(host)
    finally:
        host.run("systemctl", "start", f"{HOLD}.socket")
    assert status.returncode == 1
    assert f"{HOLD}.socket" in status.stdout + status.stderr


def test_the_hold_is_back_after_a_reboot(server: Deployment) -> None:
    server.host.reboot()
    wait_until_serving(server)
    state = server.host.run("systemctl", "is-active", f"{HOLD}.socket").stdout
    assert state.strip() == "active"


def test_the_hold_runs_with_few_rights(server: Deployment) -> None:
    report = server.host.run("systemd-analyze", "security", "--no-pager", f"{HOLD}.service").stdout
    exposure = report.rpartition("Overall exposure level for ")[2].split()[1]
    assert float(exposure) <= 1.5, report
