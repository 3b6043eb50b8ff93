"""What YAML and Python can say and the program that reads it cannot: found value by value.

Two receivers: JSON (RFC 8259), in which the well-known documents are published, and Synapse, which
reads the YAML that is written for it with PyYAML's safe loader. What that loader understands goes
on to Synapse as it is, dates and sets too: a date is a good version of a consent form.
"""

import base64
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from .yaml_scalars import as_yaml

Unsayable = tuple[tuple[str, ...], str, str]  # the way to the value, what is wrong, remedy

# A configuration has a dozen levels; Python's own writers end at some hundreds.
DEEPEST = 50
# Aliases let a short text mean a long one ("billion laughs"): counted is what it means.
MOST = 100_000
# Integers that every reader of JSON keeps exactly (RFC 8259, section 6).
_LARGEST = 2**53 - 1
_KNOWN = (bool, bytes, date, datetime, dict, float, int, list, set, str, type(None))
# From some thousand digits on Python does not write a number down any more.
_MOST_BITS = 1024


class Shapeless(Exception):
    """A value that cannot be written down: without an end, too deep, or too large."""

    def __init__(self, at: tuple[str, ...], what: str, remedy: str) -> None:
        super().__init__(what)
        self.at = at
        self.what = what
        self.remedy = remedy


def require_shape(
    root: object, parts_of: Callable[[Any], Iterable[tuple[str, object]] | None]
) -> None:
    """Shapeless for a value that contains itself, is nested too deeply or means too much.

    parts_of: the parts of a value, each with its name; None for a value without parts. Each value
    is looked into once, however often it is meant.
    """
    known: dict[int, tuple[int, int]] = {}  # weight and height
    under_way: set[int] = set()

    def measure(value: object, at: tuple[str, ...]) -> tuple[int, int]:
        parts = parts_of(value)
        if parts is None:
            text = value if isinstance(value, str) else getattr(value, "value", "")
            return 1 + len(text) // 64, 0
        if id(value) in under_way:
            raise Shapeless(at, "contains itself", "write out what it is to hold")
        if id(value) not in known:
            if len(at) >= DEEPEST:
                raise _too_deep(at)
            under_way.add(id(value))
            weight = height = 1
            for name, part in parts:
                below = measure(part, (*at, name))
                weight, height = weight + below[0], max(height, 1 + below[1])
            if weight > MOST:
                raise Shapeless(
                    at, f"means more than {MOST} values when its aliases (*) are written out",
                    "write fewer of them",
                )  # fmt: skip
            under_way.remove(id(value))
            known[id(value)] = weight, height
        if len(at) + known[id(value)][1] > DEEPEST:
            raise _too_deep(at)
        return known[id(value)]

    measure(root, ())


def _too_deep(at: tuple[str, ...]) -> Shapeless:
    return Shapeless(
        at[:3], f"is nested more than {DEEPEST} levels deep", "check its brackets and indentation"
    )


def require_data(data: object) -> None:
    """Shapeless for data of Python's that nobody could write down."""
    require_shape(data, _parts_of)


def _parts_of(value: object) -> Iterable[tuple[str, object]] | None:
    if isinstance(value, Mapping):
        return ((str(key), part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return ((str(index), part) for index, part in enumerate(value))
    return None


def not_json(value: object, at: tuple[str, ...] = ()) -> Iterator[Unsayable]:
    """What of a value JSON cannot say, or not so that each reader understands the same."""
    if isinstance(value, Mapping):
        for key in value:
            if isinstance(key, str):
                yield from _halves(key, (*at, key))
            else:
                yield _odd_key(key, value, at)
        yield from _parts(value, at, not_json)
    elif isinstance(value, list):
        yield from _parts(value, at, not_json)
    elif isinstance(value, str):
        yield from _halves(value, at)
    elif isinstance(value, float) and not math.isfinite(value):
        yield at, "is not a number that JSON can say", "write a number or null, as in null"
    elif isinstance(value, int) and abs(value) > _LARGEST:
        yield (
            at,
            "is larger than each reader of JSON keeps exactly (2^53 - 1)",
            f"write {_digits(value)}",
        )
    elif value is not None and not isinstance(value, int | float):
        yield at, f"is {_kind(value)}, which JSON cannot say", f"write {_for_json(value)}"


def not_synapse(value: object, at: tuple[str, ...] = ()) -> Iterator[Unsayable]:
    """What of a value cannot be handed on to Synapse as it is."""
    if isinstance(value, Mapping):
        for key in value:
            yield from not_synapse(key, (*at, shown_key(key)))
        yield from _parts(value, at, not_synapse)
    elif isinstance(value, list):
        yield from _parts(value, at, not_synapse)
    elif isinstance(value, set):
        for part in value:
            yield from not_synapse(part, at)
    elif isinstance(value, str):
        yield from _halves(value, at)
    elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
        yield at, "has more digits than a program can use", f"write {_digits(value)}"
    elif type(value) not in _KNOWN:
        yield at, f"is {_kind(value)}, which YAML cannot say", f"write {as_yaml(str(value))}"


def _parts(
    value: object,
    at: tuple[str, ...],
    check: Callable[[object, tuple[str, ...]], Iterator[Unsayable]],
) -> Iterator[Unsayable]:
    for name, part in _parts_of(value) or ():
        yield from check(part, (*at, name))


def _odd_key(key: object, mapping: Mapping[Any, Any], at: tuple[str, ...]) -> Unsayable:
    name = shown_key(key)
    if name in mapping:
        return (*at, name), "is there twice: as text and not as text", "remove one of them"
    return (*at, name), "is a key that is no text, as it is in JSON", f"write {as_yaml(name)}"


def _halves(text: str, at: tuple[str, ...]) -> Iterator[Unsayable]:
    """YAML can write the two halves by which UTF-16 says a character; UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        yield at, "holds halves of a character (\\ud800 to \\udfff)", f"write {as_yaml(whole)}"


def shown_key(key: object) -> str:
    """A key as YAML writes it."""
    if isinstance(key, bool):
        return str(key).lower()
    return "null" if key is None else str(key)


def _kind(value: object) -> str:
    names: dict[type, str] = {
        bytes: "binary data",
        date: "a date",
        datetime: "a date",
        set: "a set",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def _digits(value: int) -> str:
    if value.bit_length() <= _MOST_BITS:
        return f'"{value}"'
    return 'it in quotes, as in "18446744073709551616"'


def _for_json(value: object) -> str:
    """How JSON says the same."""
    if isinstance(value, date):
        return as_yaml(value.isoformat())
    if isinstance(value, bytes):
        return as_yaml(base64.b64encode(value).decode())
    if isinstance(value, set):
        texts = [as_yaml(str(part)) for part in value]
        return f"[{', '.join(texts)}]"
    return as_yaml(str(value))
