"""When a disk is full: told by samples, whatever clocks and clean-ups do, and never guessed."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from altpeter_matrix.base import timestamps
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.usage import samples
from altpeter_matrix.usage.growth import DAY, Point, full_in_days, outlook, part_per_day, per_day

from .looks import GIB, MEDIA, MIB, ROOT, days, look

NOW = float(timestamps.epoch(look().taken))


def line(count: int, pace: int = 100) -> list[Point]:
    """So many days up to now, each with as much more."""
    return [(NOW - back * DAY, 10_000 - back * pace) for back in reversed(range(count))]


def test_an_even_growth_is_told() -> None:
    assert per_day(line(20), NOW) == 100
    assert part_per_day("database", days(20), NOW) == 128 * MIB
    assert outlook(ROOT, days(20), NOW).days == 24 * GIB / (128 * MIB)


def test_full_in_days_is_what_the_host_s_own_samples_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    paths = Paths(tmp_path)
    assert full_in_days(paths, MEDIA) is None
    for one in days(10):
        samples.add(paths, one)
    assert full_in_days(paths, MEDIA) == 9 * GIB / (128 * MIB)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_nothing_is_said_before_there_are_some_days(count: int) -> None:
    assert per_day(line(count), NOW) is None
    assert outlook(ROOT, days(count), NOW).days is None


def test_two_samples_are_too_few_however_far_apart() -> None:
    assert per_day([(NOW - 20 * DAY, 0), (NOW, 10**9)], NOW) is None


def test_many_samples_of_one_day_are_not_some_days() -> None:
    assert per_day([(NOW - hour * 3600, hour) for hour in range(24)], NOW) is None


def test_a_disk_that_does_not_grow_is_never_full() -> None:
    assert outlook(ROOT, days(10, per_day=0), NOW).days is None
    assert outlook(ROOT, days(10, per_day=-MIB), NOW).days is None


def test_a_clean_up_changes_the_room_and_not_the_pace() -> None:
    shrunken = [(when, amount - 5_000 * (when > NOW - 8.5 * DAY)) for when, amount in line(30)]
    assert per_day(shrunken, NOW) == pytest.approx(100, rel=0.02)


def test_a_file_of_one_day_changes_nothing() -> None:
    points = line(30)
    points[-3] = (points[-3][0], 10**9)
    assert per_day(points, NOW) == pytest.approx(100, rel=0.02)


@pytest.mark.parametrize("wrong", [0.0, NOW - 4000 * DAY, NOW + 3 * DAY, NOW + 4000 * DAY])
def test_samples_of_a_wrong_clock_change_nothing(wrong: float) -> None:
    assert per_day([*line(10), (wrong, 10**12)], NOW) == 100


@pytest.mark.parametrize("now", [0.0, NOW - 400 * DAY, NOW + 400 * DAY])
def test_a_clock_that_is_wrong_now_makes_nothing_up(now: float) -> None:
    assert per_day(line(20), now) is None


def test_only_the_last_month_counts() -> None:
    quiet = [(NOW - back * DAY, 0) for back in range(31, 300)]
    assert per_day([*quiet, *line(20)], NOW) == 100


def test_what_grows_in_steps_has_the_pace_of_many_of_them() -> None:
    steps = [(NOW - back * DAY, -(back // 7) * 700) for back in range(29)]
    assert per_day(steps, NOW) == pytest.approx(100, rel=0.15)


def test_no_samples_break_it() -> None:
    chosen = random.Random(7)
    for _ in range(300):
        points = [
            (NOW + chosen.uniform(-60, 2) * DAY, chosen.randrange(10**13))
            for _ in range(chosen.randrange(40))
        ]
        per_day([*points, *points[:3]], NOW)


def test_inodes_can_end_first() -> None:
    mount = ROOT.mount
    many = [
        replace(one, disks={mount: replace(one.disks[mount], inodes_used=back * 100_000)})
        for back, one in enumerate(days(5, per_day=1))
    ]
    found = outlook(ROOT, many, NOW)
    assert found.days == pytest.approx(43)


def test_a_full_disk_is_full_now() -> None:
    assert outlook(replace(ROOT, free=0), days(10), NOW).days == 0
