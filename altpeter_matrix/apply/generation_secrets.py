"""Secrets in generations: no mode is wider than it was, and what was removed does not stay.

Generations are kept for `rollback`, which is most wanted when a new secret was mistyped. So one
that holds a secret which the current one does not hold is there for a day more, and then removed
as a whole: without the secret it would be of no use, and with it it is a copy that nobody knows of.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base import redaction
from ..base.errors import MatrixConfigError
from ..synapse import config_files
from .diff import SECRET_LINE
from .generations import RECORD, SETTINGS, Store

# Seconds after the last change of the configuration.
KEPT_FOR = 24 * 3600.0
# Additions for nginx are root's alone: its master reads them, and theirs were often 0600, too.
ADDITION_MODE = 0o600
_ADDITIONS = "nginx/local/"
_NGINX = re.compile(r"authorization|secret|token|credential|passw|api[-_]?key", re.IGNORECASE)


def protect(store: Store) -> None:
    """Give additions the mode that they have now also in generations of 0.1, which made it wider.

    A run that is killed in between leaves a file that looks like changed by hand; the next one
    finds it here before it looks.
    """
    for number in store.numbers():
        generation = store.load(number)
        if generation is None:
            continue
        wide = [
            path
            for path, record in generation.files.items()
            if path.startswith(_ADDITIONS) and record.mode != ADDITION_MODE
        ]
        for path in wide:
            with suppress(FileNotFoundError):
                (generation.directory / path).chmod(ADDITION_MODE)
        record = generation.directory / RECORD
        if wide or record.stat().st_mode & 0o077:
            files = {
                path: replace(one, mode=ADDITION_MODE) if path in wide else one
                for path, one in generation.files.items()
            }
            store.rewrite(generation, files)


def forget(store: Store) -> list[int]:
    """Remove the generations that hold what is secret no more; which they were."""
    current = store.current_number()
    if current is None:
        return []
    # All others have been out of use since then, or longer. A clock that was set back removes none.
    if time.time() - store.paths.current.lstat().st_mtime < KEPT_FOR:
        return []
    known = set(_secrets(store.paths.generations / str(current)))
    stale = [
        number
        for number in store.numbers()
        if number != current and set(_secrets(store.paths.generations / str(number))) - known
    ]
    for number in stale:
        store.remove(number)
    return stale


def _secrets(generation: Path) -> Iterator[str]:
    """Values by the names of their options, also in what is only commented out."""
    for file in (*generation.glob("synapse/*.yaml"), generation / SETTINGS):
        text = _text(file)
        for line in text.splitlines():
            if found := SECRET_LINE.match(line):
                yield found.group("value").strip("'\"")
        options: Mapping[str, Any] = {}
        with suppress(MatrixConfigError):
            options = config_files.read_text(file, text.encode())
        yield from redaction.secrets(options)
    for file in generation.glob(f"{_ADDITIONS}*"):
        yield from (line.strip() for line in _text(file).splitlines() if _NGINX.search(line))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
