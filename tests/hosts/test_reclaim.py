"""What a purge left in the database is given back, beside nothing else, and whatever is killed."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.hosts.attacks_database import as_superuser, as_synapse
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.probes import assert_healthy, wait_until_serving

MIB = 1024**2
UNIT = "altpeter-matrix-reclaim"
ROWS, KEPT = 600_000, 40_000
# Where autovacuum is at work it may be quicker than we are.
PURGED = f"""
    drop table if exists purged;
    create table purged (id int, key text, body text) with (autovacuum_enabled = off);
    insert into purged
        select n, md5(n::text) || md5((-n)::text), 'body' from generate_series(1, {ROWS}) n;
    create index purged_key on purged (key);
    vacuum (analyze) purged;
    delete from purged where id > {KEPT};
"""
SIZES = "select pg_relation_size('purged'), pg_relation_size('purged_key')"
ROWS_LEFT = (
    "set enable_seqscan = off; select count(*), count(distinct key), md5(string_agg(key, '' order"
    " by key)) from purged where key > ''"
)
HALF_MADE = "select count(*) from pg_index where not indisvalid and indrelid = 'purged'::regclass"
BEING_MADE = "select phase from pg_stat_progress_create_index where relid = 'purged'::regclass"

pytestmark = pytest.mark.parametrize(
    "deployment", [pytest.param("debian12", marks=pytest.mark.upgrades), "debian13"],
    indirect=True, scope="session",
)  # fmt: skip


@pytest.fixture(scope="module")
def server(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    made = clone(deployment, "reclaim")
    wait_until_serving(made)
    # While Synapse makes an index, as it does when it is new, no other is touched.
    updates = "select count(*) from background_updates"
    wait_for(lambda: answer(made.host, updates) == "0", "Synapse's background updates", 300)
    return made


def purge(host: Host) -> str:
    """Make a table of which most rows are gone; what those that are left look like."""
    as_synapse(host, PURGED)
    table, index = sizes(host)
    assert table > 40 * MIB and index > 48 * MIB
    return answer(host, ROWS_LEFT)


def sizes(host: Host) -> tuple[int, int]:
    table, index = answer(host, SIZES).split("|")
    return int(table), int(index)


def answer(host: Host, sql: str) -> str:
    """psql of Debian 12 adds that it cannot enter root's directory."""
    return as_synapse(host, sql).splitlines()[0]


def runs(host: Host) -> list[dict[str, Any]]:
    found = json.loads(host.run("altpeter-matrix", "usage", "--json").stdout)
    return list(found["given_back"])


def wait_for(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.3)


@contextmanager
def transaction_that_stays_open(host: Host) -> Iterator[None]:
    """A new index has to wait for it."""
    sql = "begin; insert into purged values (1, '', ''); select pg_sleep(600);"
    host.run(
        "systemd-run", "--unit=stays-open", "--uid=matrix-synapse", "psql", "-Xq", "-d", "synapse",
        "-c", sql,
    )  # fmt: skip
    asleep = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%'"
    wait_for(lambda: answer(host, asleep) >= "2", "the transaction")  # and the question itself
    try:
        yield
    finally:
        host.run("systemctl", "stop", "stays-open")
        sleeping = "wait_event = 'PgSleep'"
        as_superuser(
            host, f"select pg_terminate_backend(pid) from pg_stat_activity where {sleeping}"
        )


def test_room_that_a_purge_left_is_given_back(server: Deployment) -> None:
    host = server.host
    left = purge(host)
    before = sizes(host)
    planned = host.run("altpeter-matrix", "usage", "reclaim", "--dry-run").stdout
    assert f"clean up table purged: {ROWS - KEPT} removed rows\n" in planned
    assert sizes(host) == before and answer(host, ROWS_LEFT) == left
    said = host.run("altpeter-matrix", "usage", "reclaim").stdout
    assert "table purged: " in said and "index purged_key: " in said
    table, index = sizes(host)
    assert table < before[0] / 5 and index < before[1] / 5
    assert answer(host, ROWS_LEFT) == left and answer(host, HALF_MADE) == "0"
    run = runs(host)[-1]
    assert run["size"] > before[1] * 0.8 and run["problems"] == [] and run["left"] == ""
    page = host.run("altpeter-matrix", "usage").stdout
    assert "Given back:\n" in page and "index purged_key" in page
    again = host.run("altpeter-matrix", "usage", "reclaim", "--dry-run").stdout
    assert again == "Nothing is worth it.\n"
    assert_healthy(server)


@pytest.mark.upgrades
def test_what_a_kill_leaves_half_made_is_removed_by_the_next_run(server: Deployment) -> None:
    """By the timer's unit, with its few rights."""
    host = server.host
    host.run("rm", "-f", "/var/lib/altpeter-matrix/reclaimed.json")
    left = purge(host)
    with transaction_that_stays_open(host):
        host.run("systemctl", "start", "--no-block", UNIT)
        wait_for(lambda: "waiting" in as_synapse(host, BEING_MADE), "the new index")
        host.run("systemctl", "kill", "-s", "KILL", UNIT)
        as_superuser(
            host,
            "select pg_terminate_backend(pid) from pg_stat_activity where query like 'reindex%'",
        )
        wait_for(lambda: answer(host, HALF_MADE) == "1", "what is half made")
    assert answer(host, ROWS_LEFT) == left
    host.run("systemctl", "reset-failed", UNIT)
    host.run("systemctl", "start", UNIT)
    assert answer(host, HALF_MADE) == "0"
    assert sizes(host)[1] < 10 * MIB and answer(host, ROWS_LEFT) == left
    [run] = runs(host)
    assert {one["key"] for one in run["given"]} >= {"half-made", "index:purged_key"}
    assert run["problems"] == []
    assert_healthy(server)


@pytest.mark.upgrades
def test_it_gives_way_to_a_backup_and_does_not_begin_beside_one(server: Deployment) -> None:
    host = server.host
    host.run("rm", "-f", "/var/lib/altpeter-matrix/reclaimed.json")
    left = purge(host)
    locked = "flock /run/altpeter-matrix/locks/backup sleep 600"
    with transaction_that_stays_open(host):
        host.run("systemctl", "start", "--no-block", UNIT)
        wait_for(lambda: "waiting" in as_synapse(host, BEING_MADE), "the new index")
        host.run("systemd-run", "--unit=a-backup", "sh", "-c", locked)
        ended = ("systemctl", "is-active", UNIT)
        wait_for(lambda: host.run(*ended, check=False).stdout == "inactive\n", "its end")
    assert "waiting" not in as_synapse(host, BEING_MADE), "PostgreSQL goes on"
    [run] = runs(host)
    assert run["left"] == "a backup, a drill or a restore began" and run["problems"] == []
    refused = host.run("altpeter-matrix", "usage", "reclaim", check=False)
    assert refused.returncode == 1 and "does not run beside a backup" in refused.stderr
    assert "Nothing to do now" in host.run(
        "altpeter-matrix", "usage", "reclaim", "--automatic"
    ).stdout  # fmt: skip
    host.run("systemctl", "stop", "a-backup")
    host.run("altpeter-matrix", "usage", "reclaim")
    assert answer(host, HALF_MADE) == "0"
    assert sizes(host)[1] < 10 * MIB and answer(host, ROWS_LEFT) == left
    assert_healthy(server)


@pytest.mark.upgrades
def test_what_fails_is_told_until_it_succeeds(server: Deployment) -> None:
    host = server.host
    purge(host)
    host.run("systemctl", "stop", "postgresql")
    try:
        failed = host.run("altpeter-matrix", "usage", "reclaim", check=False)
        assert failed.returncode == 1 and "does not answer matrix-synapse" in failed.stderr
    finally:
        host.run("systemctl", "start", "postgresql")
    wait_until_serving(server)
    status = host.run("altpeter-matrix", "status", "--json", check=False).stdout
    assert "reclaim-failed" in {one["id"] for one in json.loads(status)["findings"]}
    host.run("altpeter-matrix", "usage", "reclaim")
    assert_healthy(server)
    as_synapse(host, "drop table purged")
