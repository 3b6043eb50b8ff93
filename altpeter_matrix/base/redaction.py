"""Secrets must not travel in what other programs say: into the journal, a mail, a login message."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "«secret»"
_NAME = re.compile(r"secret|pass|token|key|credential|salt|pepper|dsn", re.IGNORECASE)
# Shorter ones would hide ordinary words, and are no secrets.
_LEAST = 6


def redacted(text: str, options: Mapping[str, Any]) -> str:
    """The text without the values of options that hold a secret by their name."""
    for secret in sorted(set(secrets(options)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def secrets(value: Any, *, secret: bool = False) -> Iterator[str]:
    """The values of options that hold a secret by their name."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            # A path is no secret, and the message needs it.
            named = bool(_NAME.search(str(key))) and not str(key).endswith("_path")
            yield from secrets(inner, secret=named)
    elif isinstance(value, list):
        for inner in value:
            yield from secrets(inner, secret=secret)
    elif secret and isinstance(value, str):
        # Of a block scalar each line: in a file they are indented.
        yield from (line for one in value.splitlines() if len(line := one.strip()) >= _LEAST)
