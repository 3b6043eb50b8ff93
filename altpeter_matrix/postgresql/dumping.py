"""Synapse's database to a stream and back, by PostgreSQL's own programs.

As Synapse's role, always: what a database checks its rows with is in the dump, written by whoever
could write to the database, and runs with the rights of who restores.
"""

import time
from collections.abc import Sequence

from ..base.accounts import SYNAPSE_USER
from ..base.errors import HostError
from .connection import Limits, Statement, as_superuser, as_synapse, number
from .layout import PORT, SOCKET_DIRECTORY

# Given out twice, they make messages that nobody can read.
_NEVER_TWICE = "e2e_one_time_keys_json"
_TRIES = 10
_LOCK_WAIT = "600000"  # ms
_COUNTED = {
    "users": Statement("select count(*) from users"),
    "rooms": Statement("select count(*) from rooms"),
    "events": Statement("select count(*) from events"),
    "media": Statement("select count(*) from local_media_repository"),
}
_SIZE = Statement("select pg_catalog.pg_database_size(pg_catalog.current_database())")
# Counting all events of a large server takes minutes, removing its files, too.
_LONG = Limits(seconds=3 * 3600)


def dump_command(database: str, port: int = PORT) -> Sequence[str]:
    """Prints the database. Not compressed: restic does that, and finds what it has already."""
    return (
        *_as_synapse("pg_dump", port), "--format=custom", "--compress=0",
        f"--exclude-table-data={_NEVER_TWICE}", f"--lock-wait-timeout={_LOCK_WAIT}",
        f"--dbname={database}",
    )  # fmt: skip


def restore_command(database: str, port: int = PORT) -> Sequence[str]:
    """Reads such a dump into an empty database."""
    return (
        *_as_synapse("pg_restore", port), "--exit-on-error", "--no-owner", f"--dbname={database}",
    )  # fmt: skip


def _as_synapse(program: str, port: int) -> Sequence[str]:
    return (
        "runuser", "-u", SYNAPSE_USER, "--", program, f"--host={SOCKET_DIRECTORY}",
        f"--port={port}", "--no-password",
    )  # fmt: skip


def counts(database: str, port: int = PORT) -> dict[str, int]:
    """How many users, rooms, events and uploads there are; and the bytes of all of it."""
    answers = as_synapse(database, *_COUNTED.values(), _SIZE, port=port, limits=_LONG)
    found = zip((*_COUNTED, "bytes"), map(number, answers), strict=True)
    return {name: value or 0 for name, value in found}


def exists(name: str) -> bool:
    [rows] = as_superuser(
        Statement("select 1 from pg_catalog.pg_database where datname = %s", (name,))
    )
    return bool(rows)


def rename(name: str, to: str) -> None:
    """Whoever is connected meanwhile loses the connection; somebody may just come back."""
    end = Statement(
        "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity"
        " where datname = %s and pid <> pg_catalog.pg_backend_pid()",
        (name,),
    )
    for tries_left in reversed(range(_TRIES)):
        as_superuser(end)
        try:
            _change("alter database {} rename to {}", name, to)
        except HostError:
            if not tries_left:
                raise
            time.sleep(1)
        else:
            return


def drop(name: str) -> None:
    if exists(name):
        _change("drop database {} with (force)", name)


def _change(sql: str, *names: str) -> None:
    as_superuser(Statement(sql, identifiers=names), writes=True, limits=_LONG)
