"""Validated settings as dataclasses: each field's type says how its value is read.

A field is called as its setting; where Python forbids that, its metadata name it. Defaults are the
schema's business: here a setting that is not there is one that may be None.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from .backup_place import BackupPlace, parse_place
from .quantities import parse_days, parse_hours, parse_size

Bytes = NewType("Bytes", int)
Days = NewType("Days", int)
Hours = NewType("Hours", tuple[int, int])  # begin and end, in minutes from midnight
HostName = NewType("HostName", str)  # in lower case
T = TypeVar("T")

_READ: Mapping[Any, Callable[[Any], Any]] = {
    BackupPlace: parse_place,
    Bytes: parse_size,
    Days: parse_days,
    Hours: parse_hours,
    HostName: str.lower,
    Path: Path,
}


def typed(kind: type[T], raw: Mapping[str, Any]) -> T:
    """An instance of the dataclass from validated settings with all their defaults."""
    found: T = _read(kind, raw)
    return found


def _read(kind: Any, value: Any) -> Any:
    if get_origin(kind) in {UnionType, Union}:  # the second of a NewType
        inner = next(one for one in get_args(kind) if one is not NoneType)
        return None if value is None else _read(inner, value)
    if get_origin(kind) is tuple:
        return tuple(_read(get_args(kind)[0], one) for one in value)
    if kind not in _READ and isinstance(kind, type) and is_dataclass(kind):
        return kind(
            **{name: _read(inner, value.get(key)) for name, key, inner in _settings_of(kind)}
        )
    return _READ.get(kind, lambda same: same)(value)


@cache
def _settings_of(kind: Any) -> tuple[tuple[str, str, Any], ...]:
    """Each field's name, setting and type."""
    kinds = get_type_hints(kind)
    return tuple(
        (field.name, field.metadata.get("setting", field.name), kinds[field.name])
        for field in fields(kind)
    )
