"""A run does what is worth it, in order, within its bounds; what fails does not keep the rest."""

import json
import time
from collections.abc import Callable

import pytest

from altpeter_matrix.base import locks
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.usage import giving_way, reclaimed, reclaiming
from altpeter_matrix.usage.reclaim_text import of_plan, of_run
from altpeter_matrix.usage.reclaiming import Reclaiming

from ..fake_host import NAME, FakeHost
from ..host_fixtures import fresh, serving
from .fake_database import MIB, database, executed

__all__ = ["fresh", "serving"]


@pytest.fixture
def host(serving: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    database(serving)
    monkeypatch.setattr(reclaiming, "_free", lambda _paths: 10**12)
    monkeypatch.setattr(giving_way, "_EVERY", 0.02)
    return serving


def work(host: FakeHost, busy: Callable[[], str | None] = lambda: None) -> Reclaiming:
    return Reclaiming(host.paths, busy)


def test_a_run_cleans_up_and_rebuilds_one_after_the_other(host: FakeHost) -> None:
    run = work(host).now()
    assert executed(host)[1:] == [
        ("vacuum (analyze) {}.{}", ["public", "events"]),
        ("drop index concurrently i", ["public", "old_ccnew"]),
        ("reindex index concurrentl", ["public", "large_key"]),
        ("reindex index concurrentl", ["public", "events_key"]),
    ]
    assert run.problems == () and run.left == ""
    assert [(one.key, one.size // MIB) for one in run.given] == [
        ("table:events", 200), ("half-made", 50), ("index:large_key", 1796),
        ("index:events_key", 896),
    ]  # fmt: skip
    assert reclaimed.read(host.paths) == (run,)
    assert list(of_run(run))[-1].startswith("2.9 GiB given back in ")


def test_a_dry_run_says_it_and_changes_nothing(host: FakeHost) -> None:
    said = list(of_plan(work(host).plan()))
    assert said == [
        "remove index old_ccnew, half made: 50 MiB",
        "clean up table events: 90000 removed rows",
        "rebuild index large_key: 1.8 GiB, about 2.2 MiB when new",
        "rebuild index events_key: 900 MiB, about 2.2 MiB when new",
    ]
    assert executed(host) == [] and reclaimed.read(host.paths) == ()


def test_logins_of_nobody_are_counted(host: FakeHost) -> None:
    database(host, access_tokens=[[7]])
    run = work(host).now()
    assert run.given[0].count == 7
    assert next(of_run(run)) == "logins of users that are no more: 7"


def test_what_fails_keeps_nothing_else_and_is_noted(host: FakeHost) -> None:
    database(host, **{"vacuum (analyze)": "canceling statement due to lock timeout"})
    run = work(host).now()
    [(where, what, remedy)] = run.problems
    assert where.endswith("vacuum (analyze) events")
    assert "lock timeout" in what and remedy.startswith("`altpeter-matrix usage reclaim`")
    assert "index:events_key" in {one.key for one in run.given}
    [told] = reclaimed.failures(host.paths)
    assert told.what == what


def test_an_index_that_could_not_be_rebuilt_leaves_nothing_half_made(host: FakeHost) -> None:
    database(host, **{"reindex index": "canceling statement due to statement timeout"})
    run = work(host).now()
    done = [text for text, _names in executed(host)]
    assert done[-1].startswith("drop index concurrently")
    assert len(run.problems) == 2
    assert work(host).when_due() is not None
    assert sum("reindex" in text for text, _ in executed(host)) == 2, "not each night anew"
    work(host).now()
    assert sum("reindex" in text for text, _ in executed(host)) == 4, "by hand it is tried again"


def test_without_room_for_a_new_index_the_old_one_stays(
    host: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reclaiming, "_free", lambda _paths: 400 * MIB)
    run = work(host).now()
    assert not any("reindex" in text for text, _names in executed(host))
    assert "the disk has no room" in run.left and run.problems == ()


def test_no_more_is_written_than_the_settings_allow(host: FakeHost) -> None:
    rows = ["public", "events_key", "events", 9000 * MIB, 30_000_000, 8, 1, False]
    other = ["public", "other_key", "events", 8000 * MIB, 30_000_000, 8, 1, False]
    database(host, pg_am=[rows, other])
    host.settings(f"server_name: {NAME}\nreclaim: {{gigabytes: 1}}\n")
    run = work(host).now()
    assert sum("reindex" in text for text, _names in executed(host)) == 1
    assert run.left == "Index other_key is left: reclaim.gigabytes ends before it."


def test_the_time_that_the_settings_allow_bounds_each_statement(host: FakeHost) -> None:
    host.settings(f"server_name: {NAME}\nreclaim: {{minutes: 5}}\n")
    asked = work(host)
    asked.now()
    options = [
        json.loads(line)["connect"]["options"] for line in
        (host.root / "asked").read_text().splitlines() if "reindex" in line
    ]  # fmt: skip
    for one in options:
        words = dict(word.split("=") for word in one.split() if "=" in word)
        assert 270_000 < int(words["statement_timeout"]) <= 300_000
        assert int(words["lock_timeout"]) <= 300_000
        assert words["vacuum_cost_delay"] == "2ms" and words["search_path"] == "pg_catalog,pg_temp"
    late = work(host)
    late.until = time.monotonic() + 10
    run = late.now()
    assert run.left == "The 5 minutes of reclaim.minutes were over."
    assert sum("reindex" in text for text, _names in executed(host)) == 2


def test_beside_an_index_that_somebody_makes_no_index_is_touched(host: FakeHost) -> None:
    database(host, pg_stat_progress_create_index=[[1]])
    run = work(host).now()
    assert not any("index" in text for text, _names in executed(host))
    assert run.problems == ()


def test_it_does_not_begin_beside_something_else(host: FakeHost) -> None:
    with pytest.raises(HostError, match="does not run beside a backup"):
        work(host, lambda: "a backup").now()
    assert work(host, lambda: "a backup").when_due() is None
    assert not (host.root / "asked").exists()


def test_it_gives_way_to_what_begins_meanwhile(host: FakeHost) -> None:
    """PostgreSQL is told to end the statement; that is no failure."""
    host.write(
        "fake-bin/postgresql",
        (host.root / "fake-bin/postgresql").read_text().replace(
            'case "$request" in\n',
            'case "$request" in\n'
            "    *pg_cancel*) touch $FAKE_ROOT/cancelled; echo '{\"answers\": [[]]}' ;;\n"
            "    *'vacuum (an'*) rm -f $FAKE_ROOT/cancelled; touch $FAKE_ROOT/begun;"
            " until [ -e $FAKE_ROOT/cancelled ]; do sleep 0.02; done;"
            " echo '{\"error\": \"canceling statement due to user request\"}' ;;\n",
        ),
        0o755,
    )  # fmt: skip
    begun = host.root / "begun"
    run = work(host, lambda: "apt or dpkg" if begun.exists() else None).now()
    assert run.left == "apt or dpkg began" and run.problems == ()
    assert not any("reindex" in text for text, _names in executed(host))


def test_switched_off_it_does_nothing_by_itself(host: FakeHost) -> None:
    host.settings(f"server_name: {NAME}\nreclaim: {{enabled: false}}\n")
    assert work(host).when_due() is None
    assert work(host).now().given


def test_there_is_one_at_a_time(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def locked(_paths: object, name: str, wait: float) -> None:
        asked.append(name)
        raise HostError(())

    monkeypatch.setattr(locks, "locked", locked)
    with pytest.raises(HostError):
        work(host).now()
    assert asked == [locks.RECLAIM] and not (host.root / "asked").exists()


def test_what_a_killed_candidate_s_check_left_is_removed(host: FakeHost) -> None:
    left = host.paths.candidate / "archive/big.deb"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 3 * MIB)
    with locks.locked(host.paths, locks.UPGRADE_CHECK, 0):
        assert "leftovers" not in {one.key for one in work(host).now().given}
    assert left.exists(), "a check is at work there"
    [given] = [one for one in work(host).now().given if one.key == "leftovers"]
    assert given.size >= 3 * MIB and not left.exists()
