"""Strangers, users and other programs of the host, against the account that judges new versions.

Whatever they do, a version that is good stays. They are given more than they can have: the name of
the account. Synapse's limits are its own defaults here.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import quote

import pytest
import yaml

from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.probes import Answer, login, request, wait_until_serving
from tests.hosts.upgrades import candidates
from tests.hosts.upgrades.gate_patient import WITHIN, Patient

SETTINGS = "/etc/altpeter-matrix/settings.yaml"
CANARY = "/var/lib/altpeter-matrix/canary.json"
LOGIN = "/_matrix/client/v3/login"
# More than Synapse allows an address, and an account, before it refuses for minutes.
TOO_OFTEN = 8
LOOK = """
from altpeter_matrix.synapse.canary import Canary
from altpeter_matrix.apply.prepared import settings_in_use
from altpeter_matrix.base.paths import Paths
canary = Canary(Paths(), settings_in_use(Paths()))
print(canary.look(thorough=True), canary.proved, canary.session)
"""
# By another program of this host, and with the address that all of them share.
FROM_LOOPBACK = """
import json, sys, urllib.error, urllib.request
statuses = []
for name in sys.argv[1:] * 8:
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name},
            "password": "wrong"}
    asked = urllib.request.Request(
        "http://127.0.0.1:8008/_matrix/client/v3/login", json.dumps(body).encode(),
        {"X-Forwarded-For": "127.0.0.1", "Content-Type": "application/json"})
    try:
        urllib.request.urlopen(asked, timeout=10)
    except urllib.error.HTTPError as error:
        statuses.append(error.code)
print(json.dumps(statuses))
"""

# The administrator's API answers on loopback only.
DEACTIVATE = """
import sys, urllib.request
asked = urllib.request.Request(
    f"http://127.0.0.1:8008/_synapse/admin/v1/deactivate/{sys.argv[1]}", b"{}",
    {"Authorization": f"Bearer {sys.argv[2]}"})
urllib.request.urlopen(asked, timeout=10)
"""


@dataclass
class Target:
    """A server with Synapse's own limits; its canary has judged the version that is there."""

    server: Deployment

    def canary(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.server.host.read(CANARY))
        return found

    def wrong_login(self, name: str) -> Answer:
        return request(
            self.server,
            LOGIN,
            method="POST",
            body={
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": name},
                "password": "wrong",
            },
        )

    def flood_from_loopback(self, *names: str) -> list[int]:
        statuses: list[int] = json.loads(
            self.server.host.run(
                "runuser", "-u", "nobody", "--", "python3", "-", *names, input=FROM_LOOPBACK
            ).stdout
        )
        return statuses

    def look(self) -> str:
        return self.server.host.run("python3", "-I", "-", input=LOOK).stdout.strip()


def with_own_limits(server: Deployment) -> None:
    """The lab's settings raise Synapse's; and the directory is to show whomever it can."""
    settings = yaml.safe_load(server.host.read(SETTINGS))
    settings["synapse"] = {"user_directory": {"search_all_users": True}}
    server.host.write(SETTINGS, yaml.safe_dump(settings))
    server.host.run("altpeter-matrix", "apply")
    wait_until_serving(server)


@pytest.fixture(
    scope="module", params=[pytest.param("debian12", marks=pytest.mark.upgrades), "debian13"]
)
def target(request: pytest.FixtureRequest, clone: Callable[..., Deployment]) -> Target:
    server = clone(request.getfixturevalue(request.param), "canary")
    wait_until_serving(server)
    with_own_limits(server)
    target = Target(server)
    assert target.look() == "None True True"
    return target


@pytest.fixture(scope="module")
def token(target: Target) -> str:
    """Of a user who is logged in; before strangers use up the logins of our address."""
    return login(target.server)


def test_nobody_finds_it(target: Target, token: str) -> None:
    """Not as a stranger, not as a user, and by no name that is not all of its own."""
    name = target.canary()["name"]
    user = quote(f"@{name}:{target.server.server_name}")
    profile = f"/_matrix/client/v3/profile/{user}"
    for anybody in (None, token):
        for path in (profile, f"{profile}/displayname", f"{profile}/avatar_url"):
            answer = request(target.server, path, token=anybody)
            assert answer.status == 404 and name not in answer.body.decode(), answer.body
    for term in ("altpeter", "canary", name[:-1], name):
        found = request(
            target.server,
            "/_matrix/client/v3/user_directory/search",
            method="POST",
            body={"search_term": term, "limit": 50},
            token=token,
        )
        assert found.status == 200 and found.json()["results"] == [], found.body
    rooms = request(target.server, "/_matrix/client/v3/publicRooms", token=token)
    assert rooms.json()["chunk"] == []
    told = target.server.host.sh(
        "altpeter-matrix status || true; altpeter-matrix upgrades --json; altpeter-matrix records;"
        " journalctl -t altpeter-matrix -u 'altpeter-matrix*' --no-pager"
    ).stdout
    assert name not in told


def test_its_secret_is_roots_alone_and_no_password(target: Target) -> None:
    assert "password" not in target.canary()
    for user in ("nobody", "www-data", "matrix-synapse"):
        read = target.server.host.run("runuser", "-u", user, "--", "cat", CANARY, check=False)
        assert read.returncode != 0
    token = target.canary()["token"]
    journal = target.server.host.run("journalctl", "-b", "--no-pager").stdout
    assert token not in journal


def test_limits_that_others_use_up_are_not_the_versions_fault(target: Target, token: str) -> None:
    assert token
    name = target.canary()["name"]
    outside = [target.wrong_login(name).status for _ in range(TOO_OFTEN)]
    assert 429 in outside, outside
    assert 429 in target.flood_from_loopback(name, "altpeter-matrix-canary-abc123")
    assert target.look() == "None True True"


def test_invitations_and_messages_reach_nothing_that_is_asked(target: Target, token: str) -> None:
    """Of a user who has been told its name."""
    user = f"@{target.canary()['name']}:{target.server.server_name}"
    for _ in range(3):
        made = request(
            target.server,
            "/_matrix/client/v3/createRoom",
            method="POST",
            body={"invite": [user], "is_direct": True, "name": "x" * 200},
            token=token,
        )
        assert made.status in {200, 429}, made.body
    sent = request(
        target.server,
        "/_matrix/client/v3/sendToDevice/m.x/1",
        method="PUT",
        body={"messages": {user: {"*": {"big": "x" * 50_000}}}},
        token=token,
    )
    assert sent.status == 200, sent.body
    assert target.look() == "None True True"


def test_an_account_that_is_taken_away_is_made_anew(target: Target, token: str) -> None:
    before = target.canary()["name"]
    user = quote(f"@{before}:{target.server.server_name}")
    target.server.host.run("python3", "-", user, token, input=DEACTIVATE)
    assert target.look() == "None True True"
    assert target.canary()["name"] != before


@contextmanager
def attacked(target: Target, *names: str) -> Iterator[list[int]]:
    """Strangers and programs of the host log in wrongly, without a pause; the statuses they get."""
    statuses: list[int] = []
    stop = threading.Event()

    def outside() -> None:
        while not stop.is_set():
            for name in names:
                try:
                    statuses.append(target.wrong_login(name).status)
                except (OSError, HTTPException):
                    stop.wait(0.5)

    def loopback() -> None:
        while not stop.wait(1):
            statuses.extend(target.flood_from_loopback(*names))

    threads = [threading.Thread(target=one, daemon=True) for one in (outside, outside, loopback)]
    for thread in threads:
        thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


@pytest.mark.upgrades
def test_a_good_version_stays_while_strangers_do_what_they_can(
    deployment: Deployment, fleet: Fleet
) -> None:
    with fleet.clone(deployment, "attacked", dns=True) as server:
        wait_until_serving(server)
        with_own_limits(server)
        patient = Patient(server, fleet.lab)
        patient.token = login(server)
        patient.until_good()
        target = Target(server)
        with attacked(target, target.canary()["name"], "altpeter-matrix-canary-abc123") as seen:
            version = patient.install(candidates.SOUND)
            patient.until_installed(version)
            begun = time.monotonic()
            entry = patient.until_over(version, WITHIN + 60)
            took = time.monotonic() - begun
        print(f"Debian {deployment.host.debian}: {entry['result']} after {took:.0f} s")
        assert entry["result"] == "passed", entry
        assert seen.count(429) > 20, seen
        assert patient.installed() == version
