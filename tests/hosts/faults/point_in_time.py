"""What PostgreSQL writes gets to where a moment can be restored from."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {}
NOT_MADE: Mapping[str, str] = {
    "pgbackrest-missing": "hosts/test_point_in_time.py",
    "archive-backup-failed": "hosts/test_point_in_time.py: a target that is away",
    "archive-incomplete": "unit/status/test_point_in_time.py: the next run of the timer ends it",
    "archiving-off": "hosts/test_point_in_time.py: before the first backup",
    "archiving-behind": "unit/status/test_point_in_time.py: it takes a quarter of an hour",
}
