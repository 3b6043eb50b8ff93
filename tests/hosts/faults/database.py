"""PostgreSQL's clusters, and moves between them."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {}
NOT_MADE: Mapping[str, str] = {
    "database-move-interrupted": "hosts/test_release_upgrade.py: a move that was killed",
    "postgresql-version-old": "hosts/test_release_upgrade.py: before a move, and after it",
}
