"""Asks a Synapse that is not installed what it demands; run by *its* Python, so without the rest
of this package, and confined (base/sandbox.py).

Input: {"database": what in_candidate_database.py found, or null}. Output: one object, see `ask`.
"""

import json
import platform
import sys
from importlib import import_module
from importlib.metadata import distribution
from typing import Any

Answers = dict[str, Any]


class Unknown(Exception):
    """A question to the database to which nobody has found the answer before."""


def ask(database: Answers | None) -> Answers:
    """Every answer under its name; under `…_error` what went wrong instead."""
    answers: Answers = {"python": platform.python_version()}
    for question in (requires_python, dependencies, schema):
        try:
            answers |= question()
        except (Exception, SystemExit) as error:  # Synapse ends the process, among others
            answers[f"{question.__name__}_error"] = described(error)
            if "cannot open shared object" in str(error):
                answers["library_missing"] = described(error)
    if database is not None:
        try:
            accepts_database(database)
        except Unknown as unknown:
            answers["database_unknown"] = described(unknown)
        except (Exception, SystemExit) as error:
            answers["database_error"] = described(error)
    return answers


def described(error: BaseException) -> str:
    text = " ".join(str(part) for part in error.args) or type(error).__name__
    return " ".join(text.split())


def requires_python() -> Answers:
    wanted = str(distribution("matrix-synapse").metadata["Requires-Python"] or "")
    specifiers = import_module("packaging.specifiers").SpecifierSet(wanted)
    enough = bool(specifiers.contains(platform.python_version()))
    return {"requires_python": wanted, "python_is_enough": enough}


def dependencies() -> Answers:
    import_module("synapse.util.check_dependencies").check_requirements()
    return {}


def schema() -> Answers:
    numbers = import_module("synapse.storage.schema")
    return {"schema": numbers.SCHEMA_VERSION, "compat": numbers.SCHEMA_COMPAT_VERSION}


def accepts_database(database: Answers) -> None:
    """What Synapse asks of its database at each start: the version, the encoding, the locale."""
    config = {"name": "psycopg2", "args": {}, **database["options"]}
    engine = import_module("synapse.storage.engines").create_engine(config)
    engine.check_database(Recorded(database))


class Recorded:
    """Stands for a connection: gives the answers that the database gave somebody else."""

    def __init__(self, database: Answers) -> None:
        self.server_version = int(database["version"])
        self._answers = {plain(query): rows for query, rows in database["answers"]}
        self._rows: list[tuple[Any, ...]] = []

    def cursor(self, *_arguments: Any, **_options: Any) -> "Recorded":
        return self

    def execute(self, query: str, *_arguments: Any) -> None:
        if plain(query) not in self._answers:
            raise Unknown(query)
        self._rows = [tuple(row) for row in self._answers[plain(query)]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows, self._rows = self._rows, []
        return rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0) if self._rows else None

    def __enter__(self) -> "Recorded":
        return self

    def __exit__(self, *_arguments: object) -> None:
        pass


def plain(query: str) -> str:
    """The query whatever its spaces, capitals and end."""
    return " ".join(query.lower().split()).rstrip("; ")


if __name__ == "__main__":
    json.dump(ask(json.load(sys.stdin)["database"]), sys.stdout)
