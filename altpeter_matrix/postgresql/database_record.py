"""Which database holds this server: so that none is ever made anew in another cluster.

Two clusters on a host, and the wrong one on the port: without this, apply would make an empty
database there, and every account and message would seem lost.
"""

from dataclasses import asdict, dataclass
from typing import Any

from ..base.errors import Problem
from ..base.paths import Paths
from ..base.resources import document
from ..base.state_file import StateFile
from . import layout
from .synapse_database import Database


@dataclass(frozen=True)
class DatabaseRecord:
    """The database as apply saw it last."""

    name: str
    place: str  # the data directory of its cluster
    users: bool  # whether Synapse's tables were in it


def read(paths: Paths) -> DatabaseRecord | None:
    return _FILE.read(paths.database_record)


def write(paths: Paths, name: str, database: Database) -> None:
    record = DatabaseRecord(name, database.place, database.users)
    if record != read(paths):
        _FILE.write(paths.database_record, asdict(record))


def _parse(raw: dict[str, Any]) -> DatabaseRecord | None:
    return DatabaseRecord(**raw)


_FILE = StateFile(_parse, missing=None, numbered=False)


def problems(paths: Paths, name: str, database: Database | None) -> list[Problem]:
    """Why the database must not be made, or filled, where PostgreSQL answers now."""
    record = read(paths)
    if record is None:
        # What an earlier version of this package made has no record.
        unclear = database is None and paths.current.exists() and len(layout.ports(paths)) > 1
        return [_lost(paths, name, "")] if unclear else []
    if record.name != name:
        return []  # asked for in the settings, and judged with them
    if database is not None and (database.users or not record.users):
        return []
    return [_lost(paths, name, f", while it was in {record.place} before" if record.place else "")]


def _lost(paths: Paths, name: str, before: str) -> Problem:
    return Problem(
        f"PostgreSQL database {name}",
        f"is not in the cluster that answers on port {layout.PORT}, or is empty there{before}",
        "look at `pg_lsclusters`: the cluster with this server's data has to be on that port. To"
        f" begin anew instead, remove {paths.database_record} and make an empty database"
        f" ({document('upgrades.md')} says how)",
    )
