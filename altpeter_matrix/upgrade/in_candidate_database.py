"""Asks Synapse's database what a newer Synapse would ask it at its start; run by the Python of the
*installed* Synapse as its user, so without the rest of this package. Whatever is not installed gets
the answers (upgrade/in_candidate.py), and no connection.

Input: the option `database`. Output: one JSON object. It only reads.
"""

import json
import sys
import time
from importlib import import_module
from typing import Any

# A database that restarts is back within seconds.
_TRIES, _PAUSE = 4, 5.0
_QUERIES = (
    "SHOW SERVER_ENCODING",
    "SELECT datcollate, datctype FROM pg_database WHERE datname = current_database()",
)
_NUMBERS = {
    "database_schema": ("schema_version", "select version from schema_version"),
    "database_compat": (
        "schema_compat_version",
        "select compat_version from schema_compat_version",
    ),
    "background_updates": ("background_updates", "select count(*) from background_updates"),
    "database_size": ("users", "select pg_database_size(current_database())"),
}
# What says how strict Synapse's own test is.
_OPTIONS = ("allow_unsafe_locale",)


def ask(config: dict[str, Any]) -> dict[str, Any]:
    """`database` for the newer Synapse, and the numbers by their names."""
    connection = connected(config)
    try:
        connection.set_session(readonly=True, autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute("set statement_timeout = '60s'")
            answers = []
            for query in _QUERIES:
                cursor.execute(query)
                answers.append([query, cursor.fetchall()])
            database = {
                "version": connection.server_version,
                "answers": answers,
                "options": {name: config[name] for name in _OPTIONS if name in config},
            }
            return {"database": database, **_numbers(cursor)}
    finally:
        connection.close()


def _numbers(cursor: Any) -> dict[str, int]:
    found = {}
    for name, (table, query) in _NUMBERS.items():
        cursor.execute("select to_regclass(%s) is not null", (table,))
        if cursor.fetchone()[0]:
            cursor.execute(query)
            found[name] = int(cursor.fetchone()[0])
    return found


def connected(config: dict[str, Any]) -> Any:
    module = import_module("psycopg2")
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
    try:
        found = ask(json.load(sys.stdin))
    except Exception as error:  # whatever it is, it is the answer
        text = " ".join(str(part) for part in error.args) or type(error).__name__
        found = {"database_error": " ".join(text.split())}
    json.dump(found, sys.stdout)
