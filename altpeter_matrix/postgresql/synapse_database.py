"""Synapse's role and database in the local PostgreSQL cluster.

Made once and never changed: a database with another locale corrupts Synapse's indexes, and only
its owner can decide to dump and restore it.
"""

from dataclasses import dataclass

from ..base.accounts import SYNAPSE_USER
from ..base.commands import run
from ..base.errors import HostError, Problem
from .connection import SUPERUSER, Statement, as_superuser, as_synapse
from .layout import PORT, SOCKET_DIRECTORY

# `users` as Synapse finds it: in its own search_path.
HAS_USERS = Statement("select pg_catalog.to_regclass('users') is not null")
_ROLE = Statement("select 1 from pg_catalog.pg_roles where rolname = %s", (SYNAPSE_USER,))


@dataclass(frozen=True)
class Database:
    encoding: str
    collate: str
    ctype: str
    owner: str
    users: bool  # whether Synapse's tables are in it
    place: str = ""  # the data directory of its cluster


def inspect(name: str, port: int = PORT) -> Database | None:
    """The database as it is; None when it does not exist."""
    [rows] = as_superuser(
        Statement(
            "select pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype,"
            " pg_catalog.pg_get_userbyid(datdba), pg_catalog.current_setting('data_directory')"
            " from pg_catalog.pg_database where datname = %s",
            (name,),
        ),
        port=port,
    )
    if not rows:
        return None
    encoding, collate, ctype, owner, place = map(str, rows[0])
    return Database(encoding, collate, ctype, owner, _has_users(name, owner, port), place)


def _has_users(name: str, owner: str, port: int) -> bool:
    """Whether Synapse's tables are in it; of another owner's it may be that nobody can tell."""
    try:
        [found] = as_synapse(name, HAS_USERS, port=port)
    except HostError:
        if owner == SYNAPSE_USER:
            raise
        return True
    return found == [[True]]


def problems(name: str, database: Database | None) -> list[Problem]:
    """Why Synapse would refuse, or be harmed by, this database."""
    if database is None:
        return []
    where = f"PostgreSQL database {name}"
    found = []
    if database.encoding != "UTF8":
        found.append(Problem(where, f"has the encoding {database.encoding}, not UTF8", _remedy()))
    for what, value in (("collation", database.collate), ("ctype", database.ctype)):
        if value != "C":
            found.append(Problem(where, f"has the {what} {value}, not C", _remedy()))
    if database.owner != SYNAPSE_USER:
        found.append(
            Problem(
                where,
                f"belongs to {database.owner}, not to {SYNAPSE_USER}",
                f'`ALTER DATABASE "{name}" OWNER TO "{SYNAPSE_USER}"`, or set database.name',
            )
        )
    return found


def _remedy() -> str:
    return (
        "set another database.name to have one made, or dump, recreate (template0, UTF8, C) and"
        " restore this one"
    )


def ensure(name: str, port: int = PORT) -> bool:
    """Make what is missing of role and database; whether anything was."""
    [role] = as_superuser(_ROLE, port=port)
    if not role:
        _postgres(
            port, "createuser", "--no-superuser", "--no-createdb", "--no-createrole", "--login",
            SYNAPSE_USER,
        )  # fmt: skip
    if inspect(name, port) is None:
        _postgres(
            port, "createdb", "--encoding=UTF8", "--locale=C", "--template=template0",
            f"--owner={SYNAPSE_USER}", name,
        )  # fmt: skip
        return True
    return not role


def _postgres(port: int, program: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs; these connect to the database `postgres`."""
    run(
        "runuser", "-u", SUPERUSER, "--", program,
        f"--host={SOCKET_DIRECTORY}", f"--port={port}", *arguments,
    )  # fmt: skip
