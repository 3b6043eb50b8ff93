"""A hand-made server's database, moved from SQLite to PostgreSQL by Synapse's own tool.

SQLite is in force, and complete, until one file appears in conf.d by one rename; from then on
PostgreSQL is. So a move that dies anywhere has not happened, or has: the copy that it leaves in
PostgreSQL is known by a mark, and dropped by `go_back`. The SQLite file stays as it was.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..apply.services import SYNAPSE, UNITS
from ..base import disk, untrusted_files
from ..base.accounts import ensure_synapse_group
from ..base.commands import last_lines, run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.signals import undisturbed
from ..host.facts import Synapse
from ..postgresql import synapse_database
from ..postgresql.connection import Limits, Statement, as_superuser, as_synapse, number, said
from ..synapse import config_files, handmade
from ..synapse.config_check import as_synapse_command
from .reading import Reading, read_present

Say = Callable[[str], None]
# Sorts after what people call theirs.
FILE = "zz-postgresql.yaml"
_TEXT = "# The database moved here with `altpeter-matrix adopt`.\n"
_MARK = "altpeter-matrix: a copy that is not finished"
_WAITING = "select update_name from background_updates order by ordering, update_name"
_COMPARED = ("users", "devices", "access_tokens", "events", "event_json", "local_media_repository")
# Of a large server it takes hours; nobody but a person may end it.
_PATIENCE = 14 * 24 * 3600.0
_COUNTING = Limits(seconds=24 * 3600)
_ROOM = 3
_SHOWN = 3


@dataclass(frozen=True)
class Move:
    """What is to be moved where."""

    source: Path
    option: Mapping[str, Any]  # `database` of Synapse, afterwards

    @property
    def target(self) -> str:
        return str(self.option["args"]["dbname"])

    @property
    def megabytes(self) -> int:
        return self.source.stat().st_size // 1024**2


def planned(paths: Paths, options: Mapping[str, Any], generated: Mapping[str, Any]) -> Move | None:
    """The move that a server with these options needs; None: it is on PostgreSQL.

    generated: what this package sets.
    """
    present = options.get("database")
    if not isinstance(present, Mapping) or present.get("name") != "sqlite3":
        return None
    arguments = present.get("args")
    file = str(arguments.get("database") or "") if isinstance(arguments, Mapping) else ""
    # Relative to the working directory of Synapse's unit.
    return Move(paths.on_host(Path("/var/lib/matrix-synapse") / file), generated["database"])


def problems(paths: Paths, move: Move) -> Iterator[Problem]:
    """What forbids the move."""
    where = _named(move.source)
    if not paths.systemd_running.is_dir():
        yield Problem(where, "cannot be moved while systemd does not run", "boot this system")
        return
    try:
        waiting = [said(str(name)) for (name,) in _rows(paths, move.source, _WAITING)]
    except HostError as error:
        yield from error.problems
        return
    if waiting:
        yield Problem(
            where, f"is still being updated by Synapse ({_counted(waiting)})",
            "let Synapse run until it is done, after a new version as a rule some minutes, on a"
            " large server hours; run this again to see how many are left",
        )  # fmt: skip
    place = next(p for p in (paths.on_host("/var/lib/postgresql"), paths.root) if p.is_dir())
    state = os.statvfs(place)
    if state.f_bavail * state.f_frsize < _ROOM * move.source.stat().st_size:
        yield Problem(
            str(place), f"has no room for {_ROOM} times the {move.megabytes} MiB of {move.source}",
            "free some space",
        )  # fmt: skip
    found = synapse_database.inspect(move.target)
    if found is not None and found.users and _mark(move.target) != _MARK:
        yield Problem(
            f"PostgreSQL database {move.target}",
            f"holds a server already, and this one is in {move.source}",
            "if nobody needs it, drop it; else set another database.name in settings.yaml",
        )
    for file in handmade.own_snippets(paths):
        if file.name > FILE and "database" in config_files.read(paths, file):
            yield Problem(str(file), "would win over the new database", "give it another name")


def _counted(updates: Sequence[str]) -> str:
    """How far Synapse is: it does them in this order, and forgets each when it is done."""
    names = ", ".join(updates[:_SHOWN]) + (", …" if len(updates) > _SHOWN else "")
    counted = "1 update" if len(updates) == 1 else f"{len(updates)} updates"
    return f"{counted} in the background: {names}"


def go_back(paths: Paths) -> str:
    """After a move that was killed, have Synapse run again; on which database it does.

    That is SQLite, unless the move had come to its end and only Synapse was not started.
    """
    name = paths.move_from_sqlite.read_text(encoding="utf-8").strip()
    if _mark(name) == _MARK:
        _drop(name)
    run("systemctl", "start", UNITS[SYNAPSE], timeout=600)
    paths.move_from_sqlite.unlink()
    return "PostgreSQL" if (paths.synapse_conf_d / FILE).exists() else "SQLite"


def carry_out(paths: Paths, synapse: Synapse, reading: Reading, move: Move, say: Say) -> None:
    """Stop Synapse, copy, and start it on PostgreSQL. HostError: it runs on SQLite as before."""
    unit, file = UNITS[SYNAPSE], paths.synapse_conf_d / FILE
    say(f"Moving the {move.megabytes} MiB of {move.source} to PostgreSQL."
        " Synapse is stopped until that is done.")  # fmt: skip
    made = False
    disk.ensure_directory(paths.state, 0o755)
    disk.replace(paths.move_from_sqlite, f"{move.target}\n".encode(), 0o644)
    try:
        run("systemctl", "stop", unit, timeout=600)
        _make_target(move.target)
        made = True
        with _options_file(paths, synapse, reading, move) as options:
            _copy(paths, synapse, options, move)
        # From here on it is no copy that may be dropped: better refused than lost.
        _set_mark(move.target, None)
        text = yaml.safe_dump({"database": dict(move.option)}, sort_keys=False)
        disk.replace(file, f"{_TEXT}{text}".encode(), 0o644)
        if read_present(paths, synapse).options.get("database") != move.option:
            raise HostError(
                Problem(
                    str(file), "is not what Synapse reads last",
                    "take `database` out of what it reads after that",
                )
            )  # fmt: skip
        run("systemctl", "start", unit, timeout=600)
    except BaseException:
        with undisturbed():
            disk.remove(file)
            run("systemctl", "restart", unit, timeout=600, check=False)
            if made:
                _drop(move.target)
            paths.move_from_sqlite.unlink()
        raise
    paths.move_from_sqlite.unlink()
    say("Synapse runs on PostgreSQL.")


def _make_target(name: str) -> None:
    if _mark(name) == _MARK:
        _drop(name)
    synapse_database.ensure(name)
    _set_mark(name, _MARK)


def _drop(name: str) -> None:
    _change("drop database {} with (force)", name)


def _set_mark(name: str, text: str | None) -> None:
    _change("comment on database {} is %s", name, text)


def _change(sql: str, name: str, *parameters: str | None) -> None:
    # To remove the files of a large one takes a while.
    as_superuser(Statement(sql, parameters, (name,)), writes=True, limits=Limits(seconds=600))


def _mark(name: str) -> str | None:
    [rows] = as_superuser(
        Statement(
            "select pg_catalog.shobj_description(oid, 'pg_database')"
            " from pg_catalog.pg_database where datname = %s",
            (name,),
        )
    )
    return None if not rows or rows[0][0] is None else str(rows[0][0])


@contextmanager
def _options_file(paths: Paths, synapse: Synapse, reading: Reading, move: Move) -> Iterator[Path]:
    """Synapse's options in one file, as its tool wants them, for as long as it runs."""
    options = {**reading.options, "database": dict(move.option)}
    # The tool logs to its terminal.
    options.pop("log_config", None)
    file = paths.runtime / "options-for-move.yaml"
    disk.ensure_directory(paths.runtime, 0o755)
    file.unlink(missing_ok=True)  # of a run that was killed
    group = ensure_synapse_group(paths.root).group_id(synapse.group)
    disk.write_new(file, yaml.safe_dump(options).encode(), 0o640, group)
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def _copy(paths: Paths, synapse: Synapse, options: Path, move: Move) -> None:
    tool = "synapse_port_db"
    done = run(
        *as_synapse_command(paths.on_host(synapse.python)),
        "-m", f"synapse._scripts.{tool}",
        "--sqlite-database", str(move.source), "--postgres-config", str(options),
        timeout=_PATIENCE, check=False,
    )  # fmt: skip
    if not done.ok:
        raise HostError(
            Problem(
                tool, f"did not move the database: {last_lines(done.output, 3)}",
                "Synapse runs on SQLite as before; see Synapse's documentation of the tool",
            )
        )  # fmt: skip
    for table in _COMPARED:
        before, after = (
            _count(paths, move.source, table),
            number(as_synapse(move.target, _count_of(table), limits=_COUNTING)[0]),
        )
        if after != before:
            raise HostError(
                Problem(
                    f"PostgreSQL database {move.target}",
                    f"has {after} rows in {table}, and SQLite has {before}",
                    "Synapse runs on SQLite as before; please report this",
                )
            )


def _count_of(table: str) -> Statement:
    return Statement("select count(*) from {}", identifiers=(table,))


def _count(paths: Paths, file: Path, table: str) -> int | None:
    # Of a large server it takes minutes. The tables are named here, in this module.
    query = f"select count(*) from {table}"  # nosec B608
    return number(_rows(paths, file, query, within=3600))


def _rows(
    paths: Paths, file: Path, query: str, within: float = untrusted_files.WITHIN
) -> list[list[Any]]:
    """What the database of Synapse says; HostError names the file that is none, or does not answer.

    As Synapse's user: SQLite also writes beside the file, which may be anything at any moment.
    """

    def ask() -> list[Any] | str:
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
                return connection.execute(query).fetchall()
        except sqlite3.Error as error:
            return str(error)

    answer: list[list[Any]] | str
    try:
        answer = untrusted_files.as_user(paths, ask, within=within)
    except HostError as error:
        answer = error.problems[0].what
    if isinstance(answer, str):
        raise HostError(
            Problem(
                _named(file), f"cannot be read ({said(answer)})",
                "repair it, or restore a backup of it",
            )
        )  # fmt: skip
    return answer


def _named(file: Path) -> str:
    return f"SQLite database {file}"
