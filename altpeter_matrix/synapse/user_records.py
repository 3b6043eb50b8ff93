"""What Synapse's database says of an account: whether anybody can log in as it, with what rights.

Synapse's own API tells it to server administrators only. What comes back counts only in the form
that was asked for: Synapse's role may have made anything of its tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..base.errors import HostError
from ..base.paths import Paths
from ..postgresql.connection import Row, Statement, as_synapse
from . import config_files

# Synapse finds a name whatever the case of its letters; old servers have accounts with capitals.
_QUESTION = (
    "select name, deactivated, admin from users where lower(name) = lower(%s)"
    " order by name = %s desc limit 1"
)


@dataclass(frozen=True)
class Record:
    user_id: str
    deactivated: bool
    admin: bool


def find(paths: Paths, user_id: str) -> Record | None:
    """The account of this name; None when there is none, or nobody can tell."""
    options = config_files.read_generated(paths.current)
    database = config_files.local_database(options)
    if database is None:
        return None
    try:
        [rows] = as_synapse(database, Statement(_QUESTION, (user_id, user_id)))
    except HostError:
        return None
    return _record(rows)


def _record(rows: Sequence[Row]) -> Record | None:
    if len(rows) != 1 or len(rows[0]) != 3:
        return None
    name, deactivated, admin = rows[0]
    if not isinstance(name, str) or not isinstance(deactivated, int) or not isinstance(admin, int):
        return None
    return Record(name, bool(deactivated), bool(admin))
