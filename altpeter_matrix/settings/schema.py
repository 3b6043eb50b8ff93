"""Raw settings against settings.schema.json: every problem at once, then the defaults filled in.

The schema is the only owner of defaults and descriptions; nothing here knows a setting by name.
What a problem means to an administrator is settings/problems.py's business.
"""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from ..base.errors import Problem, SettingsError
from ..base.plain_data import Shapeless, not_json, not_synapse, require_data
from ..base.resources import resource
from .checks import CHECKS
from .problems import Written, misread, problems_of, shown_way

# Of the parts whose keys are not ours: who reads them.
_READERS = {"JSON": not_json, "Synapse": not_synapse}
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]*)")


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of settings.yaml."""
    loaded: dict[str, Any] = json.loads(
        resource("settings.schema.json").read_text(encoding="utf-8")
    )
    return loaded


@cache
def annotated(annotation: str) -> Mapping[str, Any]:
    """What an annotation says of each setting that has it, by the setting's key.

    x-synapse-option: the option of Synapse that is the setting's value, as it is.
    x-shapes-synapse-option: the one that the setting says in another form.
    x-synapse-default: what Synapse does where neither it nor the setting is there.
    x-nginx: true where nginx has to follow the setting, too.
    """
    return {key: part[annotation] for key, part in _settings(schema()) if annotation in part}


def _settings(part: Mapping[str, Any], key: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, inner in part.get("properties", {}).items():
        path = f"{key}.{name}" if key else name
        yield path, inner
        yield from _settings(inner, path)


def owners() -> Mapping[str, str]:
    """The setting that says an option of Synapse, by the option; any other is under `synapse`."""
    said = {**annotated("x-synapse-option"), **annotated("x-shapes-synapse-option")}
    return {option: setting for setting, option in said.items()}


def acceptable(setting: str, value: Any) -> bool:
    """Whether the setting may have this value."""
    part = dict(_settings(schema()))[setting]
    return bool(_validator().evolve(schema=part).is_valid(value))


def validated(
    data: Mapping[str, Any], source: str, written: Written = lambda _way: None
) -> dict[str, Any]:
    """A plain copy of data with every default filled in; SettingsError lists all problems.

    written: how the value at the end of a way through the data is written, where that is known.
    """
    plain = plain_copy(data, source)
    errors = sorted(
        _validator().iter_errors(plain),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    # A dict drops the repetitions: jsonschema reports each missing key in an error of its own.
    problems = tuple(
        dict.fromkeys(p for error in errors for p in problems_of(error, source, written))
    )
    problems = problems or tuple(_misread(plain, source, written))
    problems += tuple(_unreadable(plain, schema(), source))
    if problems:
        raise SettingsError(problems)
    filled: dict[str, Any] = _with_defaults(plain, schema())
    return filled


def plain_copy(data: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Dicts and lists only: group_data is Python and may hold tuples."""
    try:
        require_data(data)
    except Shapeless as shapeless:
        where = f"{source}: {shown_way(shapeless.at)}" if shapeless.at else source
        raise SettingsError(Problem(where, shapeless.what, shapeless.remedy)) from None
    plain: dict[str, Any] = _plain(data)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return "".join(value)  # of a subclass, which YAML's writer does not know
    return value


@cache
def _validator() -> Any:
    # Imported here because it takes longer than all of `apply` when there is nothing to do.
    from jsonschema import Draft202012Validator, FormatChecker  # noqa: PLC0415
    from jsonschema.validators import extend  # noqa: PLC0415

    checker = FormatChecker(formats=())
    for name, check in CHECKS.items():
        checker.checks(name, raises=ValueError)(_on_text(check))
    # JSON takes 8008.0 for a whole number; what is written from it would not be one.
    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    strict: Any = extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    return strict(schema(), format_checker=checker)


def _misread(
    value: Any, source: str, written: Written, way: tuple[str | int, ...] = ()
) -> Iterator[Problem]:
    """Whole numbers that YAML reads as others than a person does: 010000 is 4096 to it."""
    part = _part(way)
    if "x-read-as" in part:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _misread(item, source, written, (*way, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _misread(item, source, written, (*way, index))
    elif type(value) is int:
        scalar = written(way)
        if scalar is not None and not _DECIMAL.fullmatch(scalar.text):
            yield misread(f"{source}: {shown_way(way)}", value, scalar.text, part)


def _part(way: tuple[str | int, ...]) -> Mapping[str, Any]:
    """The subschema at the end of a way; an empty one where the schema leaves it open."""
    part: Mapping[str, Any] = schema()
    for step in way:
        inner = part.get("items") if isinstance(step, int) else part.get("properties", {}).get(step)
        part = inner or {}
    return part


def _unreadable(
    value: Any, part: Mapping[str, Any], source: str, key: str = ""
) -> Iterator[Problem]:
    """What the reader of an open part could not read, or not as it was meant."""
    if not isinstance(value, dict):
        return
    if reader := part.get("x-read-as"):
        for way, what, remedy in _READERS[reader](value):
            yield Problem(f"{source}: {key}.{shown_way(way)}", what, remedy)
    for name, inner in part.get("properties", {}).items():
        path = f"{key}.{name}" if key else name
        yield from _unreadable(value.get(name), inner, source, path)


def _on_text(check: Any) -> Any:
    def checked(value: object) -> bool:
        if isinstance(value, str):  # another type is the type check's business
            check(value)
        return True

    return checked


def _with_defaults(value: Any, part: Mapping[str, Any]) -> Any:
    if isinstance(value, list) and "items" in part:
        return [_with_defaults(item, part["items"]) for item in value]
    if not isinstance(value, dict):
        return value
    result = dict(value)
    for name, property_schema in part.get("properties", {}).items():
        if name not in result and "default" in property_schema:
            result[name] = deepcopy(property_schema["default"])
        if name in result:
            result[name] = _with_defaults(result[name], property_schema)
    return result
