"""When a backup, a check and a drill are due."""

import time

import pytest

from altpeter_matrix.backup import schedule
from altpeter_matrix.host.backup_record import BackupRecord

HOUR, DAY = 3600.0, 86400.0


def at(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    ("now", "succeeded", "due"),
    [
        ("2026-11-02 03:29", "2026-11-01 03:30", False),
        ("2026-11-02 03:30", "2026-11-01 03:30", True),
        ("2026-11-02 14:00", "2026-11-01 03:35", True),  # the host was off at night
        ("2026-11-02 14:00", "2026-11-02 03:30", False),
        ("2026-11-02 14:00", "2026-11-02 09:00", False),  # made by hand since
        ("2026-11-02 14:00", "2027-01-01 00:00", True),  # the clock was wrong then
    ],
)
def test_once_a_day_from_its_time_on(now: str, succeeded: str, due: bool) -> None:
    record = BackupRecord(attempted=at(succeeded), succeeded=at(succeeded))
    assert schedule.is_due("03:30", record, at(now)) is due


def test_the_first_is_due_at_once() -> None:
    assert schedule.is_due("03:30", BackupRecord(), time.time())


def test_one_that_failed_is_tried_again_each_hour() -> None:
    failed = at("2026-11-02 03:30")
    record = BackupRecord(attempted=failed, succeeded=at("2026-11-01 03:30"))
    assert not schedule.is_due("03:30", record, failed + HOUR / 2)
    assert schedule.is_due("03:30", record, failed + HOUR)
    assert schedule.is_due("03:30", record, failed - DAY / 3 + DAY), "a clock that was set back"


def test_each_week_a_part_is_read_again() -> None:
    now = time.time()
    assert schedule.is_to_be_verified(BackupRecord(), now)
    assert not schedule.is_to_be_verified(BackupRecord(verified=now - 6 * DAY), now)
    assert schedule.is_to_be_verified(BackupRecord(verified=now - 7 * DAY), now)


def test_a_drill_is_due_by_its_setting_and_a_day_after_one_that_failed() -> None:
    now = time.time()
    made = BackupRecord(succeeded=now - 1)
    assert not schedule.is_drill_due("monthly", BackupRecord(), now), "there is nothing to try"
    assert schedule.is_drill_due("monthly", made, now)
    assert not schedule.is_drill_due("never", made, now)
    week_ago = made.but(drilled=now - 8 * DAY)
    assert schedule.is_drill_due("weekly", week_ago, now)
    assert not schedule.is_drill_due("monthly", week_ago, now)
    assert schedule.is_drill_due("monthly", week_ago.but(drill_problem=("a", "b", "c")), now)
