"""Has Synapse's own code take a database for its own, as at its start: it tests it, brings its
schema up to date, and reads some events. Run by the Python of the installed Synapse as its user, so
without the rest of this package.

Input: {"files": what its command line names, "database": the arguments of psycopg2}. Output, as its
last line: {"schema": number, "events": how many were read}, or {"error": why not}.
"""

import json
import sys
from importlib import import_module
from typing import Any

_EVENTS = 200


def ask(files: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    """What came of it. The database is changed: it has to be a copy."""
    words = [word for file in files for word in ("-c", file)]
    configuration = import_module("synapse.config.homeserver").HomeServerConfig
    config = configuration.load_config("", words)
    database = {"name": "psycopg2", "args": arguments}
    engine = import_module("synapse.storage.engines").create_engine(database)
    connection = engine.module.connect(**arguments)
    engine.check_database(connection)
    wrapped = _wrapped(connection, engine)
    engine.on_new_connection(wrapped)
    import_module("synapse.storage.prepare_database").prepare_database(wrapped, engine, config)
    cursor = connection.cursor()
    cursor.execute("select version from schema_version")
    [schema] = cursor.fetchone()
    return {"schema": schema, "events": _events(cursor)}


def _wrapped(connection: Any, engine: Any) -> Any:
    """As Synapse hands connections around; its fields differ from version to version."""
    kind = import_module("synapse.storage.database").LoggingDatabaseConnection
    values = {
        "conn": connection, "engine": engine, "default_txn_name": "drill", "server_name": "drill",
    }  # fmt: skip
    return kind(**{one.name: values[one.name] for one in kind.__attrs_attrs__})


def _events(cursor: Any) -> int:
    """How many of the newest events were read: Synapse understands all of them, or says why not."""
    versions = import_module("synapse.api.room_versions").KNOWN_ROOM_VERSIONS
    read = import_module("synapse.events").make_event_from_dict
    cursor.execute(
        "select j.json, r.room_version from events e join event_json j using (event_id)"
        " join rooms r on r.room_id = e.room_id order by e.stream_ordering desc limit %s",
        (_EVENTS,),
    )
    found = cursor.fetchall()
    for text, version in found:
        if version in versions:
            _ = read(json.loads(text), versions[version]).type
    return len(found)


if __name__ == "__main__":
    try:
        asked = json.load(sys.stdin)
        answer = ask(asked["files"], asked["database"])
    except Exception as error:  # whatever it is, it is the answer
        text = " ".join(str(part) for part in error.args) or type(error).__name__
        answer = {"error": " ".join(f"{type(error).__name__}: {text}".split())}
    print("", json.dumps(answer), sep="\n")
