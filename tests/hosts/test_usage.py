"""`altpeter-matrix usage` says what du, df and PostgreSQL say, and its timer notes it each day."""

import json
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.homeserver import Homeserver
from tests.hosts.attacks_database import as_superuser, as_synapse
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.people import homeserver_of, new_account
from tests.hosts.probes import assert_healthy, wait_until_serving

MIB = 1024**2
SAMPLES = "/var/lib/altpeter-matrix/usage-samples.jsonl"
UNIT = "altpeter-matrix-usage"
STORE = "/var/lib/matrix-synapse/media"
# Four days before today's sample, with so much less on the disk each day: also on an almost empty
# one, of which as much less would be less than nothing.
DAYS_BEFORE = """
import json, sys, time
path, per_day = sys.argv[1], int(sys.argv[2])
[today] = map(json.loads, open(path))
now = time.time()
today["disks"]["/"]["used"] += 5 * per_day
with open(path, "w") as file:
    for back in (4, 3, 2, 1):
        before = json.loads(json.dumps(today))
        before["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - back * 86400))
        before["disks"]["/"]["used"] -= back * per_day
        before["parts"]["media-local"] = max(0, before["parts"]["media-local"] - back * 2 * 1024**2)
        file.write(json.dumps(before) + "\\n")
    file.write(json.dumps(today) + "\\n")
"""


pytestmark = pytest.mark.parametrize(
    "deployment", [pytest.param("debian12", marks=pytest.mark.upgrades), "debian13"],
    indirect=True, scope="session",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    """A server with messages, media of its own, and copies of others'."""
    made = clone(deployment, "usage")
    wait_until_serving(made)
    account = new_account(made, "filler")
    token, homeserver = account.login(), homeserver_of(made)
    for _ in range(4):
        upload(homeserver, token, os.urandom(3 * MIB))
    talk(homeserver, token, 8)  # ten at once are what a user may send
    made.host.sh(
        f"cd {STORE}; runuser -u matrix-synapse -- sh -c 'mkdir -p remote_content/b.test;"
        " head -c 80M /dev/urandom >remote_content/b.test/file; ln -s / remote_content/all'"
    )
    as_synapse(made.host, "analyze", check=False)
    return made


def upload(homeserver: Homeserver, token: str, content: bytes) -> None:
    homeserver.request(
        "POST", "/_matrix/media/v3/upload", token=token, body=content,
        headers={"Content-Type": "application/octet-stream"},
    ).expect(200)  # fmt: skip


def talk(homeserver: Homeserver, token: str, messages: int) -> None:
    path = "/_matrix/client/v3/createRoom"
    room = homeserver.request("POST", path, token=token, body={}).expect(200).json["room_id"]
    for number in range(messages):
        homeserver.request(
            "PUT", f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{number}",
            token=token, body={"msgtype": "m.text", "body": "word " * 200},
        ).expect(200)  # fmt: skip


def looked(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.run("altpeter-matrix", "usage", "--json").stdout)
    return found


def parts(found: dict[str, Any]) -> dict[str, int]:
    """The size of each part, by its key."""
    every = [*found["parts"], *(one for part in found["parts"] for one in part["inside"])]
    assert all(one["whole"] for one in every)
    return {one["key"]: one["size"] for one in every}


def du(host: Host, *paths: str) -> int:
    """A path that is not there counts nothing."""
    shown = host.run("du", "-scB1", *paths, check=False).stdout
    return int(shown.splitlines()[-1].split()[0])


def first_number(said: str) -> int:
    """psql of Debian 12 adds that it cannot enter root's directory."""
    return int(said.splitlines()[0])


def test_the_sizes_are_those_of_du_and_of_postgresql(server: Deployment) -> None:
    host, found = server.host, looked(server.host)
    sizes = parts(found)
    assert found["problems"] == []
    local = du(host, f"{STORE}/local_content", f"{STORE}/local_thumbnails")
    assert sizes["media-local"] == local >= 12 * MIB
    assert sizes["media-remote"] == du(host, f"{STORE}/remote_content") >= 80 * MIB
    assert sizes["media"] == pytest.approx(du(host, STORE), abs=MIB)
    assert sizes["logs"] == pytest.approx(du(host, "/var/log"), abs=8 * MIB)
    assert sizes["packages"] == du(host, "/var/lib/altpeter-matrix/packages")
    whole = first_number(as_superuser(host, "select pg_database_size('synapse')"))
    assert sizes["database"] == pytest.approx(whole, rel=0.05)
    largest = found["tables"][0]
    exact = first_number(as_synapse(host, f"select pg_total_relation_size('{largest['name']}')"))
    assert largest["size"] == pytest.approx(exact, rel=0.05)
    assert {one["subject"] for one in found["tables"]} >= {"events and rooms", "state groups"}
    assert found["rooms"][0]["room"].startswith("!")
    inside = next(one["inside"] for one in found["parts"] if one["key"] == "database")
    assert sum(one["size"] for one in inside) == pytest.approx(sizes["database"], abs=1)


def test_the_disks_are_those_of_df(server: Deployment) -> None:
    shown = server.host.run("df", "-B1", "--output=size,used,avail", "/").stdout.split()[-3:]
    disk = next(one for one in looked(server.host)["file_systems"] if one["mount"] == "/")
    assert disk["size"] == int(shown[0])
    assert disk["used"] == pytest.approx(int(shown[1]), rel=0.05)
    assert disk["free"] == pytest.approx(int(shown[2]), rel=0.05)
    assert {"system", "database", "media", "logs"} <= set(disk["holds"])


def test_the_timer_s_unit_notes_a_sample_within_its_few_rights(server: Deployment) -> None:
    host = server.host
    assert host.run("systemctl", "is-active", f"{UNIT}.timer").stdout == "active\n"
    host.run("rm", "-f", SAMPLES)
    host.run("systemctl", "start", f"{UNIT}.service")
    [sample] = map(json.loads, host.read(SAMPLES).splitlines())
    assert sample["disks"].keys() == {one["mount"] for one in looked(host)["file_systems"]}
    now = parts(looked(host))
    for key in ("media-local", "media-remote", "packages"):
        assert sample["parts"][key] == now[key]
    for key in ("database", "state-groups", "database-log", "logs"):
        assert sample["parts"][key] == pytest.approx(now[key], rel=0.2)
    said = host.run("journalctl", "-u", f"{UNIT}.service", "-o", "cat", "--no-pager").stdout
    assert "Noted in" in said
    assert "notice:" not in said and "error:" not in said
    assert host.run("stat", "-c", "%a %U", SAMPLES).stdout == "600 root\n"


def test_it_does_not_guess_but_tells_the_pace_once_it_is_known(server: Deployment) -> None:
    host = server.host
    host.run("altpeter-matrix", "usage", "--sample")
    before = host.run("altpeter-matrix", "usage").stdout
    assert "is known after some days of samples" in before.splitlines()[0]
    free = next(one for one in looked(host)["file_systems"] if one["mount"] == "/")["free"]
    host.run("python3", "-c", DAYS_BEFORE, SAMPLES, str(free // 9))
    first = host.run("altpeter-matrix", "usage").stdout.splitlines()[0]
    assert first.startswith("/ ")
    assert "at this pace full in about 9 days" in first
    found = looked(host)
    media = next(one for one in found["parts"] if one["key"] == "media")
    local = next(one for one in media["inside"] if one["key"] == "media-local")
    assert local["per_day"] == pytest.approx(2 * MIB, rel=0.01)


def test_a_person_sees_a_page_with_bars(server: Deployment) -> None:
    command = "stty cols 120; TERM=xterm-256color altpeter-matrix usage"
    said = server.host.run("script", "-qec", command, "/dev/null").stdout
    print(said)
    for expected in (
        "█", "\x1b[3", "Disks", "Where the room is", "state groups",
        "copies of other servers' media", "Largest tables", "Largest rooms",
        "What could be given back", "media.remote_retention",
    ):  # fmt: skip
        assert expected in said
    assert "\x1b" not in server.host.run("altpeter-matrix", "usage").stdout


def test_it_takes_seconds(server: Deployment) -> None:
    began = time.monotonic()
    server.host.run("altpeter-matrix", "usage")
    assert time.monotonic() - began < 8


def test_with_postgresql_stopped_the_rest_is_shown(server: Deployment) -> None:
    host = server.host
    host.run("systemctl", "stop", "matrix-synapse", "postgresql")
    try:
        done = host.run("altpeter-matrix", "usage", check=False)
        assert done.returncode == 2
        assert "does not answer matrix-synapse" in done.stderr
        assert "systemctl start postgresql" in done.stderr
        for expected in ("  media ", "  logs ", "copies of other servers' media: "):
            assert expected in done.stdout
        assert "\n  database " not in done.stdout
        disk = next(line for line in done.stdout.splitlines() if "has system" in line)
        assert "database" in disk, "its data are there all the same"
        host.run("systemctl", "start", f"{UNIT}.service")
        sample = json.loads(host.read(SAMPLES).splitlines()[-1])
        assert "database" not in sample["parts"] and "media" in sample["parts"]
    finally:
        host.run("systemctl", "start", "postgresql", "matrix-synapse")
    wait_until_serving(server)
    assert host.run("altpeter-matrix", "usage").stderr == ""
    assert_healthy(server)
