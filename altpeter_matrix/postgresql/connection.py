"""All SQL of this package, asked of the PostgreSQL clusters of this host.

Synapse's role owns its database, so it decides there what a name means: it can set another
search_path, put functions and operators before those of pg_catalog, make a view of any table, and
whoever asks runs them with his own rights (PostgreSQL's documentation, "Writing SECURITY DEFINER
Functions Safely", and CVE-2018-1058). So:

- As superuser we ask pg_catalog only, by qualified names, and but for one question (superuser_code)
  in PostgreSQL's own databases, where Synapse's role can make nothing. search_path is fixed all the
  same: an option of the client wins over `ALTER DATABASE` and `ALTER ROLE` (postgresql.org,
  "Parameter Interaction via the Configuration File").
- In Synapse's database we are Synapse's role, in a process of Synapse's user. What runs there then
  has no right that it did not have before. Whatever comes back may be a lie: it is bounded in time
  and size, and each value has a type.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from ..base.accounts import SYNAPSE_USER
from ..base.errors import HostError, Problem
from ..base.time_limit import at_most
from .layout import PORT, SOCKET_DIRECTORY

SUPERUSER = "postgres"
OWN_DATABASES = ("postgres", "template1")
# Handed over as a text: a deploy tries an adoption with a tool that only root can read.
_CLIENT = Path(__file__).with_name("client.py")
_RUN = "import json; exec(json.loads(input()))"
_CONNECT = 10  # seconds; of the process's start, too
_SHORT = 30.0
_FIXED = {"search_path": "pg_catalog,pg_temp"}
_SLOW = {"vacuum_cost_delay": "2ms", "max_parallel_maintenance_workers": "0"}
_NAME, _UPKEEP = "altpeter-matrix", "altpeter-matrix upkeep"
_MOST_SAID = 300
_MOST_BYTES = 1024**2

Value = str | int | bool | None
Row = list[Value]


@dataclass(frozen=True)
class Statement:
    """SQL with `%s` for each parameter and `{}` for each identifier."""

    text: str
    parameters: tuple[Value, ...] = ()
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How long the statements may take together, and how much they may answer.

    lock: how long they wait for the locks of others; None: as long as they may take.
    """

    seconds: float = _SHORT
    size: int = _MOST_BYTES
    lock: float | None = None


def as_superuser(
    *statements: Statement,
    port: int = PORT,
    database: str = "postgres",
    writes: bool = False,
    limits: Limits = Limits(),
) -> list[list[Row]]:
    """The rows of each statement. writes: it changes what all databases share, and answers nothing.

    HostError when PostgreSQL does not answer, or refuses one.
    """
    if database not in OWN_DATABASES:
        raise ValueError(f"superuser in {database}")
    connect = _connect(SUPERUSER, port, database, limits, **_FIXED)
    return _ask(connect, statements, limits, writes=writes)


def as_superuser_of_catalog(
    database: str, *statements: Statement, port: int = PORT
) -> list[list[Row]]:
    """The same in any database, Synapse's own too, for statements that concern nothing but
    pg_catalog, by qualified names: nothing that Synapse's role makes gets in there."""
    connect = _connect(SUPERUSER, port, database, Limits(), **_FIXED)
    return _ask(connect, statements, Limits())


def as_synapse(
    database: str,
    *statements: Statement,
    port: int = PORT,
    limits: Limits = Limits(),
    own_path: bool = True,
) -> list[list[Row]]:
    """The same in Synapse's database, in a read-only transaction.

    own_path: with the search_path that Synapse has, so that the tables are meant that it finds.
    """
    options = {} if own_path else _FIXED
    return _ask(_connect(SYNAPSE_USER, port, database, limits, **options), statements, limits)


def upkeep_as_synapse(
    database: str, statement: Statement, *, limits: Limits, own_path: bool = False
) -> list[Row]:
    """The same for a statement that changes something there, slowly so that what serves comes
    first. Its process ends with ours; what PostgreSQL has begun then, `cancel_upkeep` ends."""
    options = _SLOW if own_path else {**_FIXED, **_SLOW}
    connect = _connect(SYNAPSE_USER, PORT, database, limits, **options)
    [rows] = _ask({**connect, "application_name": _UPKEEP}, [statement], limits, writes=True)
    return rows


def cancel_upkeep(database: str) -> int:
    """End all such statements; how many there were."""
    [rows] = as_synapse(database, _CANCEL, own_path=False)
    return len(rows)


def _connect(
    user: str, port: int, database: str, limits: Limits, **options: str
) -> Mapping[str, str | int]:
    """The arguments of psycopg2."""
    milliseconds = f"{limits.seconds * 1000:.0f}"
    lock = limits.seconds if limits.lock is None else min(limits.lock, limits.seconds)
    options |= {
        "statement_timeout": milliseconds,
        "lock_timeout": f"{lock * 1000:.0f}",
        "idle_in_transaction_session_timeout": milliseconds,
    }
    return {
        "user": user,
        "dbname": database,
        "host": SOCKET_DIRECTORY,
        "port": port,
        "connect_timeout": _CONNECT,
        "client_encoding": "UTF8",
        "application_name": _NAME,
        "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
    }


def _ask(
    connect: Mapping[str, str | int],
    statements: Sequence[Statement],
    limits: Limits,
    *,
    writes: bool = False,
) -> list[list[Row]]:
    user = str(connect["user"])
    request = {
        "connect": connect,
        "writes": writes,
        "statements": [(one.text, one.parameters, one.identifiers) for one in statements],
    }
    try:
        return _rows(_answer_of(user, json.dumps(request).encode(), limits), len(statements))
    except _Refused as refused:
        raise HostError(
            Problem(
                f"PostgreSQL database {connect['dbname']}",
                f"does not answer {user} on {connect['host']}:{connect['port']}:"
                f" {said(str(refused))}",
                "install or start PostgreSQL (`apt install postgresql`, `systemctl start"
                " postgresql`), and look at `pg_lsclusters`",
            )
        ) from None


# A role may end what it has begun itself.
_CANCEL = Statement(
    "select pg_cancel_backend(pid) from pg_stat_activity"
    " where application_name = %s and usename = current_user",
    (_UPKEEP,),
)


class _Refused(Exception):
    """Why there is no answer."""


def _answer_of(user: str, request: bytes, limits: Limits) -> bytes:
    """The last line that the client prints, for as long and as much as allowed.

    It has no terminal: as another user it could put words into ours. And nothing that keeps its
    output open keeps us: we stop reading when the time is over.
    """
    end = time.monotonic() + at_most(limits.seconds + _CONNECT)
    reading, writing = os.pipe()  # it holds far more than any request of ours
    with os.fdopen(reading, "rb") as asked, os.fdopen(writing, "wb") as asking:
        asking.write(f"{json.dumps(_CLIENT.read_text(encoding='utf-8'))}\n".encode())
        asking.write(request)
        asking.close()
        try:
            process = subprocess.Popen(
                ["runuser", "-u", user, "--", sys.executable, "-I", "-c", _RUN],
                stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
                # Neither PGOPTIONS nor what root's environment may hold.
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise _Refused(f"runuser: {error.strerror}") from None
    output = cast(IO[bytes], process.stdout)
    try:
        shown = _read(output.fileno(), limits.size, end)
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, end - time.monotonic()))
        return shown.rstrip().rpartition(b"\n")[2]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.close()


def _read(descriptor: int, size: int, end: float) -> bytes:
    found = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, end - time.monotonic())):
                raise _Refused("no answer in time")
            part = os.read(descriptor, 65536)
            if not part:
                return bytes(found)
            found += part
            if len(found) > size:
                raise _Refused(f"more than {size} bytes")


def _rows(shown: bytes, statements: int) -> list[list[Row]]:
    """The answers, when they have the form that answers have."""
    try:
        content: Any = json.loads(shown)
    except (ValueError, RecursionError):
        raise _Refused(shown[:_MOST_SAID].decode(errors="replace") or "no output") from None
    if isinstance(content, dict) and isinstance(content.get("error"), str):
        raise _Refused(content["error"])
    answers = content.get("answers") if isinstance(content, dict) else None
    if not isinstance(answers, list) or len(answers) != statements:
        raise _Refused("an answer to something else")
    for rows in answers:
        if not isinstance(rows, list) or not all(map(_is_row, rows)):
            raise _Refused("an answer in another form")
    return answers


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and all(isinstance(one, Value) for one in row)


def said(text: str) -> str:
    """What somebody else says or calls things: one line without what a terminal would obey."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return " ".join(shown.split())[:_MOST_SAID]


def number(rows: Sequence[Row]) -> int | None:
    """The one number that was asked for; None when there is none, or something else."""
    value = rows[0][0] if rows and rows[0] else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
