"""The JSON files in which this package keeps what it knows, each with what becomes of a bad one.

A file is damaged when it cannot be read, is no JSON or does not say what it has to. A later version
of this package may have written it, before somebody went back to this one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from . import disk

T = TypeVar("T")
# The number of the form that a file has, under this key; nothing demanded another one yet.
_KEY = "format"
FORMAT = 1


@dataclass(frozen=True)
class StateFile(Generic[T]):
    """One kind of file.

    parse: what a content means; whatever it lacks makes the file damaged (KeyError, TypeError,
    ValueError, AttributeError). Fields that it does not know are its to leave out: `known_fields`.
    missing: what is taken for a file that is not there.
    damaged: what is taken for one that is, or raises; None: as if it were missing.
    exact: whether another format is damage; else the content is looked at all the same.
    newer: what is taken for one of a later format; None: by `exact`.
    numbered: whether it has a format at all.
    """

    parse: Callable[[Any], T]
    missing: T
    damaged: Callable[[Path], T] | None = None
    exact: bool = False
    newer: Callable[[], T] | None = None
    numbered: bool = True
    mode: int = 0o600  # root's alone: most repeat what other programs said

    def read(self, path: Path) -> T:
        """What a file says, or what is taken for it."""
        try:
            data = json.loads(path.read_bytes())
            if self.newer is not None and data[_KEY] > FORMAT:
                return self.newer()
            if not self.exact or data[_KEY] == FORMAT:
                return self.parse(data)
        except FileNotFoundError:
            return self.missing
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return self.missing if self.damaged is None else self.damaged(path)

    def write(self, path: Path, content: Any) -> None:
        """Replace a file. content: a mapping, unless it is not numbered."""
        disk.replace(path, self.text(content), self.mode)

    def text(self, content: Any) -> bytes:
        data = {_KEY: FORMAT, **content} if self.numbered else content
        return f"{json.dumps(data, indent=2)}\n".encode()


def known_fields(kind: type, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Those that a dataclass has; the fields of a later version of this package are left out."""
    names: Mapping[str, Any] = getattr(kind, "__dataclass_fields__")  # noqa: B009 - mypy
    return {key: value for key, value in raw.items() if key in names}
