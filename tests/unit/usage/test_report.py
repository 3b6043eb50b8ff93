"""What a person reads: the disk that is full first, sizes in people's units, what can be done."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.usage.giving_back import possible
from altpeter_matrix.usage.model import Part, Table, Usage
from altpeter_matrix.usage.report import (
    Report,
    lines,
    pace_of,
    parts,
    size_of,
    tables,
    verdict,
    when_full,
)
from altpeter_matrix.usage.samples import Sample

from ..samples import settings
from .looks import GIB, MEDIA, MIB, ROOT, STOPPED, days, look


def report(usage: Usage | None = None, samples: tuple[Sample, ...] = ()) -> Report:
    usage = usage or look()
    return Report(usage, samples, possible(Paths(), usage, settings()))


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (1023, "1.0 KiB"), (999, "999 B"), (1536, "1.5 KiB"), (10 * MIB, "10 MiB"),
     (1000 * MIB, "1.0 GiB"), (123 * GIB, "123 GiB"), (-3 * MIB, "-3.0 MiB"),
     (5 * 1024**6, "5120 PiB")],
)  # fmt: skip
def test_sizes_are_in_units_that_people_read(size: int, said: str) -> None:
    assert size_of(size) == said


def test_paces_are_too() -> None:
    assert pace_of(2.0 * MIB) == "+2.0 MiB a day"
    assert pace_of(-2.0 * GIB) == "-2.0 GiB a day"
    assert pace_of(7.0) == "does not grow"


@pytest.mark.parametrize(
    ("left", "said"),
    [(0, "full within a day"), (128, "full in about 1 day"), (128 * 9, "full in about 9 days"),
     (128 * 20, "full in about 3 weeks"), (128 * 100, "full in about 3 months"),
     (128 * 1000, "full in about 3 years"), (128 * 4000, "not full within ten years")],
)  # fmt: skip
def test_when_it_is_full_is_said_as_people_say_it(left: int, said: str) -> None:
    disk = replace(ROOT, free=left * MIB)
    found = report(look(file_systems=(disk,)), days(10))
    assert when_full(found.outlook(disk), found.samples) == said


def test_it_begins_with_the_disk_that_is_full_first() -> None:
    assert verdict(report(samples=days(20)))[0] == (
        "/srv is 95% full; at this pace full in about 2 months."
    )
    slow = replace(MEDIA, used=0, free=180 * GIB)
    assert verdict(report(look(file_systems=(slow, ROOT)), days(20)))[0].startswith("/ is 68% full")
    assert verdict(report(look(file_systems=())))[0] == "No disk could be looked at."


def test_without_days_of_samples_it_says_so_and_does_not_guess() -> None:
    said, share = verdict(report(samples=days(2)))
    assert said == (
        "/srv is 95% full; when it is full is known after some days of samples"
        " (altpeter-matrix-usage.timer takes one a day: 2 of at least 4)."
    )
    assert share == MEDIA.share
    assert "a day," not in "\n".join(lines(report(samples=days(2))))


def test_inodes_that_end_first_are_told() -> None:
    disk = replace(ROOT, inodes=100, inodes_used=93)
    assert verdict(report(look(file_systems=(disk,))))[0].startswith(
        "/ has 93% of its inodes in use"
    )


def test_a_pipe_gets_plain_columns() -> None:
    said = list(lines(report(samples=days(20))))
    pace = "+128 MiB a day"
    assert [re.split(r"  +", line) for line in said if not line.startswith("  1")][:25] == [
        ["/srv is 95% full; at this pace full in about 2 months."],
        ["Disks:"],
        ["", "/", "52 GiB of 80 GiB", f"24 GiB free, {pace}, full in about 6 months"],
        ["", "has system, database"],
        ["", "/srv", "181 GiB of 200 GiB", f"9.0 GiB free, {pace}, full in about 2 months"],
        ["", "has media"],
        ["Where the room is:"],
        ["", "media", "180 GiB", pace],
        ["", "sent by this server's users", "70 GiB", pace],
        ["", "copies of other servers' media", "108 GiB", pace],
        ["", "link previews", "2.0 GiB", pace],
        ["", "database", "31 GiB", pace],
        ["", "state groups", "17 GiB", pace],
        ["", "events and rooms", "12 GiB", pace],
        ["", "logs", "2.0 GiB", pace],
        ["", "journal", "1.9 GiB", pace],
        ["Largest tables:"],
        ["", "state_groups_state", "16 GiB",
         "state groups, indexes 6.0 GiB, about 6.0 GiB unfilled"],
        ["", "event_json", "6.0 GiB", "events and rooms, indexes 1.0 GiB, 25% dead rows"],
        ["Largest rooms, by what PostgreSQL has sampled:"],
        ["", "!large:example.org", "about 5.0 GiB"],
        ["", "\x1b[2J[red]!room:example.org", "about 100 MiB"],
        ["What could be given back:"],
        ["", "6.0 GiB",
         "room in table state_groups_state that no row fills: new rows fill it by and by; at once"
         " by `VACUUM FULL`, as Synapse's role and with Synapse stopped, where there is room for a"
         " second copy of the table"],
    ]  # fmt: skip
    assert {line.index(pace) for line in said if line.endswith(pace)} == {66}
    assert (
        "  108 GiB  copies of other servers' media: a shorter media.remote_retention in"
        " /etc/altpeter-matrix/settings.yaml (now 90d), then `altpeter-matrix apply`; Synapse"
        " fetches them again when somebody asks for them"
    ) in said
    assert said[-1].startswith("  1.9 GiB  journal: `journalctl --vacuum-size=200M`; ")


def test_what_was_not_counted_to_its_end_has_the_size_of_its_last_sample() -> None:
    part = Part("media", "media", 3 * GIB, whole=False)
    [row] = parts(report(look(parts=(part,)), days(20)))
    assert (row.size, row.more) == ("> 3.0 GiB", "+128 MiB a day, 180 GiB on 2026-03-31")
    [row] = parts(report(look(parts=(part,))))
    assert row.more == "not all of it was counted"


def test_json_is_in_bytes_and_has_all() -> None:
    found = json.loads(json.dumps(report(look(problems=(STOPPED,)), days(20)).as_json()))
    assert found["file_systems"][1]["full_in_days"] == 9 * GIB / (128 * MIB)
    media = found["parts"][0]
    assert (media["key"], media["size"], media["per_day"]) == ("media", 180 * GIB, 128 * MIB)
    assert [one["key"] for one in found["parts"][1]["inside"]] == [
        "state-groups", "events", "search",
    ]  # fmt: skip
    assert found["samples"] == 20
    assert found["tables"][0]["unfilled"] == 6 * GIB
    assert found["rooms"][0] == {"room": "!large:example.org", "size": 5 * GIB}
    assert found["problems"][0]["remedy"] == "start it"
    empty = json.loads(json.dumps(report().as_json()))
    assert empty["file_systems"][0]["full_in_days"] is None
    assert empty["parts"][0]["per_day"] is None


def test_a_small_server_is_told_of_nothing_to_give_back() -> None:
    small = look(
        parts=(Part("journal", "journal", 60 * MIB), Part("apt-cache", "", 9 * MIB)),
        tables=(Table("events", "events and rooms", 100 * MIB, 10 * MIB, 5, 0, 80 * MIB),),
    )
    assert possible(Paths(), small, settings()) == ()


def test_what_a_user_of_this_server_sent_is_never_offered() -> None:
    every = ("media", "media-local", "media-remote", "media-previews", "media-other", "database",
             "state-groups", "events", "database-log", "logs", "journal", "logs-nginx", "ours",
             "generations", "packages", "replaced", "adopted", "apt-cache", "backup",
             "old-cluster")  # fmt: skip
    usage = look(parts=tuple(Part(key, key, 10 * GIB) for key in every), tables=())
    assert {one.what for one in possible(Paths(), usage, settings())} == {
        "copies of other servers' media", "journal", "packages that apt has downloaded",
        "the old PostgreSQL", "files that were changed by hand",
    }  # fmt: skip


def test_room_in_indexes_is_given_back_by_itself_unless_that_is_switched_off() -> None:
    usage = look(parts=(), tables=(), wasted_by_indexes=3 * GIB)
    [one] = possible(Paths(), usage, settings())
    assert (one.size, one.how) == (
        3 * GIB, "by itself at night; at once: `altpeter-matrix usage reclaim`"
    )  # fmt: skip
    [one] = possible(Paths(), usage, settings("server_name: a.org\nreclaim: {enabled: false}\n"))
    assert one.how == "at once: `altpeter-matrix usage reclaim`"


def test_remote_media_that_are_kept_for_ever_are_said_to_be(tmp_path: Path) -> None:
    text = "server_name: example.org\nmedia: {remote_retention: null}\n"
    [first, *_] = possible(Paths(), look(), settings(text))
    assert "(now for ever)" in first.how


def test_some_room_in_a_table_is_normal() -> None:
    table = Table("events", "events and rooms", 9 * GIB, 0, 5, 0, 2 * GIB)
    assert possible(Paths(), look(tables=(table,), parts=()), None) == ()
    [row] = tables(report(look(tables=(table,))))
    assert row.more == "events and rooms, indexes 0 B, about 2.0 GiB unfilled"
