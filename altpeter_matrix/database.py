"""Synapse's role and database in the local PostgreSQL cluster.

Made once and never changed: a database with another locale corrupts Synapse's indexes, and only
its owner can decide to dump and restore it.
"""

import json
from dataclasses import dataclass

from .accounts import SYNAPSE_USER
from .commands import Result, last_lines, run
from .errors import HostError, Problem
from .postgresql import PORT, SOCKET_DIRECTORY


@dataclass(frozen=True)
class Database:
    encoding: str
    collate: str
    ctype: str
    owner: str
    users: bool  # whether Synapse's tables are in it
    place: str = ""  # the data directory of its cluster


def _postgres(program: str, *arguments: str, check: bool = True) -> Result:
    return run(
        "runuser", "-u", "postgres", "--", program,
        f"--host={SOCKET_DIRECTORY}", f"--port={PORT}", *arguments,
        timeout=60, check=check,
    )  # fmt: skip


def query(database: str, sql: str) -> str:
    result = _postgres(
        "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet",
        f"--dbname={database}", f"--command={sql}", check=False,
    )  # fmt: skip
    if not result.ok:
        raise HostError(
            Problem(
                "PostgreSQL",
                f"does not answer on {SOCKET_DIRECTORY}:{PORT}: {last_lines(result.output, 2)}",
                "install or start it (`apt install postgresql`, `systemctl start postgresql`)",
            )
        )
    return result.stdout.strip()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def inspect(name: str) -> Database | None:
    """The database as it is; None when it does not exist."""
    found = query(
        "postgres",
        "select json_build_object('encoding', pg_encoding_to_char(encoding),"
        " 'collate', datcollate, 'ctype', datctype, 'owner', pg_get_userbyid(datdba),"
        " 'place', current_setting('data_directory'))"
        f" from pg_database where datname = {_literal(name)}",
    )
    if not found:
        return None
    data = json.loads(found)
    return Database(
        encoding=data["encoding"],
        collate=data["collate"],
        ctype=data["ctype"],
        owner=data["owner"],
        users=query(name, "select to_regclass('users') is not null") == "t",
        place=data.get("place", ""),
    )


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


def ensure(name: str) -> bool:
    """Make what is missing of role and database; whether anything was."""
    role = query("postgres", f"select 1 from pg_roles where rolname = {_literal(SYNAPSE_USER)}")
    if not role:
        _postgres(
            "createuser", "--no-superuser", "--no-createdb", "--no-createrole", "--login",
            SYNAPSE_USER,
        )  # fmt: skip
    if inspect(name) is None:
        _postgres(
            "createdb", "--encoding=UTF8", "--locale=C", "--template=template0",
            f"--owner={SYNAPSE_USER}", name,
        )  # fmt: skip
        return True
    return not role
