"""Asks a Synapse that is not installed what it demands; run by *its* Python, so without the rest
of this package.

Input: {"database": the option of that name, or null}. Output: one JSON object, see `ask`. What it
asks of the database only reads.
"""

import json
import platform
import sys
import time
from importlib import import_module
from importlib.metadata import distribution
from typing import Any

Answers = dict[str, Any]

# A database that restarts is back within seconds.
_TRIES, _PAUSE = 4, 5.0
_NUMBERS = {
    "database_schema": ("schema_version", "select version from schema_version"),
    "database_compat": (
        "schema_compat_version",
        "select compat_version from schema_compat_version",
    ),
    "background_updates": ("background_updates", "select count(*) from background_updates"),
    "database_size": ("users", "select pg_database_size(current_database())"),
}


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
            accepts_database(database, answers)
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


def accepts_database(config: Answers, answers: Answers) -> None:
    """What Synapse asks of its database at each start: the version, the encoding, the locale."""
    engine = import_module("synapse.storage.engines").create_engine(config)
    connection = connected(engine.module, config)
    try:
        with connection.cursor() as cursor:
            for name, (table, query) in _NUMBERS.items():
                cursor.execute("select to_regclass(%s) is not null", (table,))
                if cursor.fetchone()[0]:
                    cursor.execute(query)
                    answers[name] = cursor.fetchone()[0]
        engine.check_database(connection)
    finally:
        connection.close()


def connected(module: Any, config: Answers) -> Any:
    arguments = {key: value for key, value in config["args"].items() if not key.startswith("cp_")}
    for tries_left in reversed(range(_TRIES)):
        try:
            return module.connect(**{"connect_timeout": 10, **arguments})
        except module.OperationalError:
            if not tries_left:
                raise
            time.sleep(_PAUSE)
    raise AssertionError


if __name__ == "__main__":
    json.dump(ask(json.load(sys.stdin)["database"]), sys.stdout)
