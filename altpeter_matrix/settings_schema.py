"""Raw settings against settings.schema.json: every problem at once, then the defaults filled in.

The schema is the only owner of defaults and descriptions; nothing here knows a setting by name.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import Problem, SettingsError
from .resources import document, known_synapse_options, resource
from .settings_formats import CHECKS

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

_TYPE_NAMES = {
    "object": "a group of keys",
    "array": "a list",
    "string": "a text",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
}
_LONGEST_SHOWN = 60
_LIMITS = {  # keyword of JSON Schema: what is wrong, remedy
    "minimum": ("{shown} is too small", "write {expected} or more"),
    "maximum": ("{shown} is too large", "write {expected} or less"),
    "minLength": ("is empty", "fill it in or remove the key"),
    "uniqueItems": ("names something twice", "remove one of them"),
}


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of settings.yaml."""
    loaded: dict[str, Any] = json.loads(
        resource("settings.schema.json").read_text(encoding="utf-8")
    )
    return loaded


def validated(data: Mapping[str, Any], source: str) -> dict[str, Any]:
    """A plain copy of data with every default filled in; SettingsError lists all problems."""
    # Imported here because it takes longer than all of `apply` when there is nothing to do.
    from jsonschema import Draft202012Validator, FormatChecker  # noqa: PLC0415

    checker = FormatChecker(formats=())
    for name, check in CHECKS.items():
        checker.checks(name, raises=ValueError)(_on_text(check))
    plain = _plain(data)
    errors = sorted(
        Draft202012Validator(schema(), format_checker=checker).iter_errors(plain),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    # A dict drops the repetitions: jsonschema reports each missing key in an error of its own.
    problems = tuple(dict.fromkeys(p for error in errors for p in _problems(error, source)))
    if problems:
        raise SettingsError(problems)
    filled: dict[str, Any] = _with_defaults(plain, schema())
    return filled


def _plain(value: Any) -> Any:
    """Dicts and lists only: group_data is Python and may hold tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


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


def _problems(error: "ValidationError", source: str) -> Iterator[Problem]:
    """What one error of the JSON schema means to an administrator."""
    path = [str(part) for part in error.absolute_path]
    where = f"{source}: {'.'.join(path)}" if path else source
    part: dict[str, Any] = dict(error.schema)  # type: ignore[arg-type]
    expected: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "additionalProperties":
            known = list(part["properties"])
            for key in (str(key) for key in instance if key not in known):
                yield _unknown_key(source, [*path, key], known)
        case "required":
            for key in (key for key in expected if key not in instance):
                yield _missing_key(source, [*path, key], part["properties"][key])
        case "type":
            yield _wrong_type(where, instance, part)
        case "enum":
            yield _not_one_of(where, instance, expected)
        case "format":
            what, _, remedy = str(error.cause).partition("; ")
            yield Problem(where, f"{_shown(instance)} {what}", remedy)
        case _:
            yield _limit(where, error, part)


def _limit(where: str, error: "ValidationError", part: Mapping[str, Any]) -> Problem:
    expected: Any = error.validator_value
    if error.validator == "anyOf":
        choices = " or ".join(choice["required"][0] for choice in expected)
        return Problem(where, f"has no {choices}", f"add {choices}")
    if error.validator == "pattern":
        # The schema describes each pattern in words, in its $comment.
        example = part.get("examples", [part.get("default")])[0]
        remedy = f"write {part['$comment']}, as in {example}"
        return Problem(where, f"{_shown(error.instance)} is not in the right form", remedy)
    if error.validator not in _LIMITS:
        return Problem(where, error.message, _description(part))
    what, remedy = _LIMITS[error.validator]
    return Problem(
        where, what.format(shown=_shown(error.instance)), remedy.format(expected=expected)
    )


def _shown(value: object) -> str:
    """The value as the administrator wrote it, more or less; a long one is cut."""
    text = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _description(part: Mapping[str, Any]) -> str:
    return str(part.get("description", f"see {document('settings.md')}"))


def _unknown_key(source: str, path: list[str], known: Iterable[str]) -> Problem:
    known = list(known)
    where = f"{source}: {'.'.join(path)}"
    if len(path) == 1 and path[0] in known_synapse_options():
        return Problem(where, "is an option of Synapse", "put it, indented, below `synapse:`")
    near = get_close_matches(path[-1].replace("-", "_").lower(), known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return Problem(where, "is not a known setting", remedy)


def _missing_key(source: str, path: list[str], part: Mapping[str, Any]) -> Problem:
    example = part.get("examples", [part.get("default", "…")])[0]
    return Problem(f"{source}: {'.'.join(path)}", "is missing", f"add `{path[-1]}: {example}`")


def _wrong_type(where: str, instance: object, part: Mapping[str, Any]) -> Problem:
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    if instance is None:
        return Problem(where, "is empty", "fill it in or remove the key")
    expected = " or ".join(_TYPE_NAMES[name] for name in types)
    if "string" in types and isinstance(instance, int | float):
        remedy = f"write {_example(part, instance)}"
    elif "boolean" in types:
        remedy = "write true or false, without quotes"
    elif "array" in types:
        remedy = "write one item per line, each after `- `"
    elif "object" in types:
        remedy = "put its keys, indented, in the lines below"
    elif "integer" in types:
        remedy = "write a whole number, without quotes"
    else:
        remedy = _description(part)
    return Problem(where, f"{_shown(instance)} is not {expected}", remedy)


def _example(part: Mapping[str, Any], instance: object) -> str:
    """What the administrator most likely meant by a bare number."""
    if part.get("format") == "size":
        is_bytes = isinstance(instance, float) or int(str(instance)) > 99999
        return f'"{instance}"' if is_bytes else f"{instance}M"
    if part.get("format") == "duration":
        return f"{instance}d"
    return f'"{instance}"'


def _not_one_of(where: str, instance: object, choices: list[Any]) -> Problem:
    near = get_close_matches(str(instance).lower(), [str(choice).lower() for choice in choices], 1)
    names = ", ".join(str(choice) for choice in choices)
    spelling = next((c for c in choices if near and str(c).lower() == near[0]), None)
    remedy = f"did you mean {spelling}?" if spelling is not None else f"write one of {names}"
    return Problem(where, f"{_shown(instance)} is not one of {names}", remedy)
