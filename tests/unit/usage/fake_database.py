"""A database of Synapse that answers what a test wants it to, and what it was told."""

import json
from typing import Any

from ..fake_host import FakeHost

MIB = 1024**2
BLOATED = ["public", "events_key", "events", 900 * MIB, 100_000, 8, 1, False]
LARGER = ["public", "large_key", "large", 1800 * MIB, 100_000, 8, 1, False]
# By a word of each question, the first that fits; the last is whatever is executed.
ANSWERS: dict[str, Any] = {
    "pg_cancel_backend": [],
    "pg_stat_progress_create_index": [[0]],
    "access_tokens": [[0]],
    "n_dead_tup": [["public", "events", 700 * MIB, 90_000]],
    "not i.indisvalid": [["public", "old_ccnew", 50 * MIB]],
    "pg_am": [BLOATED, LARGER],
    "pg_total_relation_size(format": [[500 * MIB]],
    "pg_relation_size(format": [[4 * MIB]],
}


def database(host: FakeHost, **changes: Any) -> None:
    """A database that answers so; a text is an error that PostgreSQL says."""
    cases = "".join(
        f"    *{word!r}*) echo '{_said(rows)}' ;;\n"
        for word, rows in {**ANSWERS, **changes}.items()
    )
    host.write(
        "fake-bin/postgresql",
        "#!/bin/sh\nread -r client; read -r request\n"
        f'printf "%s\\n" "$request" >>"$FAKE_ROOT/asked"\ncase "$request" in\n{cases}'
        "    *) echo '{\"answers\": [[]]}' ;;\nesac\n",
        0o755,
    )


def _said(rows: Any) -> str:
    return json.dumps({"error": rows} if isinstance(rows, str) else {"answers": [rows]})


def executed(host: FakeHost) -> list[tuple[str, list[str]]]:
    """What was to change something, in order."""
    found = []
    for line in (host.root / "asked").read_text().splitlines():
        asked = json.loads(line)
        if asked["writes"]:
            assert asked["connect"]["user"] == "matrix-synapse"
            [(text, _parameters, identifiers)] = asked["statements"]
            found.append((" ".join(text.split())[:25], identifiers))
    return found
