"""What a candidate's own code answers (upgrade/in_candidate.py), before anything relies on it."""

import json
from typing import Any

_TEXTS = (
    "python", "requires_python", "requires_python_error", "dependencies_error", "schema_error",
    "library_missing", "database_error", "database_unknown",
)  # fmt: skip
_NUMBERS = ("schema", "compat")
_LARGEST = 2**31
_LONGEST = 1000


def read(text: str) -> dict[str, Any] | None:
    """The answers that are what they have to be; None: they are no answers."""
    try:
        said = json.loads(text.strip().splitlines()[-1])
    except (ValueError, IndexError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("python"), str):
        return None
    answers: dict[str, Any] = {
        name: printable(said[name]) for name in _TEXTS if isinstance(said.get(name), str)
    }
    for name in _NUMBERS:
        if type(said.get(name)) is int and 0 <= said[name] < _LARGEST:
            answers[name] = said[name]
    if isinstance(said.get("python_is_enough"), bool):
        answers["python_is_enough"] = said["python_is_enough"]
    return answers


def printable(text: str) -> str:
    """Of a length to read, and nothing that a terminal or a mail would obey."""
    return "".join(one if one.isprintable() else " " for one in text)[:_LONGEST]
