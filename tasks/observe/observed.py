"""The grammar of an observation: lines `KEY VALUE$`, read into the typed fields of a dataclass.

The host prints them by `tell` (observe.sh), which escapes a value as sed's `l` does. A key
that is not printed has no values; what its reader makes of none is the default of the field.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, fields
from typing import Any, TypeVar

T = TypeVar("T")
Values = Sequence[str]

BEGIN, END = "begin yes$", "end yes$"
_LINE = re.compile(r"([a-z-]+) (.*)\$")
_ESCAPE = re.compile(rb"\\(?:([0-3][0-7]{2})|([abfnrtv\\]))")
_ESCAPED = dict(zip(b"abfnrtv\\", b"\a\b\f\n\r\t\v\\", strict=True))


def observed(key: str, read: Callable[[Values], T]) -> T:
    """A field of a dataclass that is made of all values of a key, in their order."""
    return field(default_factory=lambda: read(()), metadata={"key": key, "read": read})


def part(kind: Callable[[], T]) -> T:
    """A field that is itself a dataclass of such fields."""
    return field(default_factory=kind, metadata={"part": kind})


def keys(kind: Any) -> frozenset[str]:
    """The keys that the fields of a dataclass are read from."""
    data = [one.metadata for one in fields(kind)]
    parts = [keys(one["part"]) for one in data if "part" in one]
    return frozenset(one["key"] for one in data if "key" in one).union(*parts)


def parse(kind: Callable[..., T], lines: Iterable[str]) -> T:
    """The observation as such a dataclass; ValueError when it is not complete, or is none.

    What a login prints by itself before it is left out.
    """
    values: dict[str, list[str]] = {key: [] for key in keys(kind)}
    told = [line.rstrip("\r") for line in lines]
    if BEGIN not in told or told[-1] != END:
        raise ValueError("the observation of the host is not complete")
    for line in told[told.index(BEGIN) + 1 : -1]:
        match = _LINE.fullmatch(line)
        if match is None or match[1] not in values:
            raise ValueError(f"{line[:80]!r} is no observation")
        values[match[1]].append(_unescaped(match[2]))
    return _made(kind, values)


def _made(kind: Callable[..., T], values: Mapping[str, Values]) -> T:
    found: dict[str, Any] = {}
    for one in fields(kind):  # type: ignore[arg-type]
        if "part" in one.metadata:
            found[one.name] = _made(one.metadata["part"], values)
        else:
            found[one.name] = one.metadata["read"](values[one.metadata["key"]])
    return kind(**found)


def _unescaped(text: str) -> str:
    """The value as a line of text that can be shown, whatever it was."""
    data = _ESCAPE.sub(
        lambda match: bytes([int(match[1], 8) if match[1] else _ESCAPED[match[2][0]]]),
        text.encode("ascii", "replace"),
    )
    return "".join(map(_shown, data.decode("utf-8", "replace").strip()))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def any_value(values: Values) -> bool:
    """Whether the key was printed at all."""
    return bool(values)


def first(values: Values) -> str | None:
    """The first value."""
    return values[0] if values else None


def has(value: str) -> Callable[[Values], bool]:
    """Whether this is one of the values."""
    return lambda values: value in values


def rows(values: Values, length: int) -> list[list[str]]:
    """The words of those values that have so many."""
    return [words for value in values if len(words := value.split()) == length]


def after(word: str) -> Callable[[Values], tuple[str, ...]]:
    """What follows the word in the values that begin with it."""
    return lambda values: tuple(
        rest for value in values for one, _, rest in [value.partition(" ")] if one == word
    )


def after_first(word: str) -> Callable[[Values], str | None]:
    """What follows the word in the first value that begins with it."""
    return lambda values: first(after(word)(values))


def pairs(values: Values) -> Mapping[str, str]:
    """The second word by the first."""
    return {row[0]: row[1] for row in rows(values, 2)}


def numbers(values: Values) -> Mapping[str, int]:
    """The number that is the second word, by the first."""
    return {row[0]: int(row[1]) for row in rows(values, 2)}
