"""One connection to a PostgreSQL of this host, in a process of its own, run as the user it asks as.

PostgreSQL's peer authentication goes by the user of the process, and of root's memory and files
nothing comes along here. Run as a text, so without the rest of this package; connection.py writes
the request and distrusts the answer.

Input: one JSON object, see `answer`. Output, as its last line: {"answers": …}, the rows of each
statement, or {"error": what PostgreSQL said}.
"""

import json
import resource
import sys
from typing import Any

# A view may answer with more than this host has; see setrlimit(2).
_MEMORY = 1024**3


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """connect: the arguments of psycopg2; statements: of each the text, the parameters for its
    `%s` and the identifiers for its `{}`; writes: each takes effect at once, and is no question."""
    try:
        import psycopg2  # noqa: PLC0415 - without it there is a remedy to tell
        from psycopg2 import sql  # noqa: PLC0415
    except ImportError as error:
        return {"error": f"{error} (`apt install python3-psycopg2`)"}
    try:
        connection = psycopg2.connect(**request["connect"])
        if request["writes"]:
            connection.autocommit = True
        else:
            # One snapshot, so that the answers fit together.
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        cursor = connection.cursor()
        answers = []
        for text, parameters, identifiers in request["statements"]:
            named = sql.SQL(text).format(*map(sql.Identifier, identifiers)) if identifiers else text
            cursor.execute(named, parameters or None)
            answers.append([] if cursor.description is None else cursor.fetchall())
    except psycopg2.Error as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": f"answers with more than {_MEMORY} bytes"}
    return {"answers": answers}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    print("", json.dumps(answer(json.load(sys.stdin)), default=str), sep="\n")
