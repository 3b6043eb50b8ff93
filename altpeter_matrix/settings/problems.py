"""What an error of the settings' schema means to an administrator, and what to write instead.

A remedy is tried before it is told: what it says to write is accepted at that very place. Where
nobody can guess what was meant, it shows an example.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ..base.errors import Problem
from ..base.plain_data import shown_key
from ..base.resources import document, known_synapse_options
from ..base.yaml_scalars import as_yaml
from ..base.yaml_text import Scalar
from .checks import CHECKS
from .remedies import Check, accepted, remedy_of

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Written = Callable[[tuple[str | int, ...]], Scalar | None]

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


_EXAMPLES = {
    "absolute-path": "/var/lib/matrix",
    "bandwidth": "5M",
    "memory": "64M",
    "backup-place": "/srv/backup/matrix",
    "dns-name": "matrix.example.org",
    "duration": "90d",
    "email-address": "admin@example.org",
    "fingerprint": "AAF9AE843A7584B5A3E4CD2BCF45A512DE2DA058",
    "host": "smtp.example.org",
    "hours": "22:00-07:00",
    "http-url": "https://example.org/debian",
    "https-url": "https://example.org",
    "line": "Matrix",
    "localpart": "admin",
    "mailbox": "Matrix <noreply@example.org>",
    "matrix-user-id": "@admin:example.org",
    "port-rule": "3478/udp",
    "postgresql-name": "synapse",
    "size": "50M",
    "time-of-day": "03:30",
}


def problems_of(error: "ValidationError", source: str, written: Written) -> Iterator[Problem]:
    """What one error of the JSON schema means to an administrator."""
    way = tuple(error.absolute_path)
    path = [shown_key(part) for part in way]
    where = f"{source}: {shown_way(way)}" if path else source
    part: dict[str, Any] = dict(error.schema)  # type: ignore[arg-type]
    expected: Any = error.validator_value
    instance: Any = error.instance
    scalar = written(way)
    shown = _shown(instance) if scalar is None or scalar.quoted else scalar.text
    match error.validator:
        case "additionalProperties":
            known = list(part["properties"])
            for key in (shown_key(key) for key in instance if key not in known):
                yield _unknown_key(source, [*path, key], known)
        case "required":
            for key in (key for key in expected if key not in instance):
                yield _missing_key(source, [*path, key], part["properties"][key])
        case "type":
            yield _wrong_type(where, instance, part, scalar)
        case "enum":
            yield _not_one_of(where, instance, expected)
        case "format":
            what, _, remedy = str(error.cause).partition("; ")
            yield Problem(where, f"{_shown(instance)} {what}", remedy)
        case _:
            yield _limit(where, error, part, shown)


def misread(where: str, value: int, text: str, part: Mapping[str, Any]) -> Problem:
    """A number that YAML reads as another, or that nobody would write so."""
    near = [text.lstrip("+0")] if text.lstrip("+").isdigit() else []
    remedy = accepted(_check_of(part), [*near, str(value)])
    number = remedy.strip('"') if remedy else _example(part)
    return Problem(where, f"{text} means {value} in YAML", f"write {number}")


def shown_way(way: Iterable[object]) -> str:
    """The keys that lead to a value, on one line."""
    return _printable(".".join(map(shown_key, way)))


def _limit(where: str, error: "ValidationError", part: Mapping[str, Any], shown: str) -> Problem:
    expected: Any = error.validator_value
    if error.validator == "anyOf":
        choices = " or ".join(choice["required"][0] for choice in expected)
        return Problem(where, f"has no {choices}", f"add {choices}")
    if error.validator not in _LIMITS:
        return Problem(where, error.message, _description(part))
    what, remedy = _LIMITS[error.validator]
    return Problem(where, what.format(shown=shown), remedy.format(expected=expected))


def _shown(value: object) -> str:
    """The value as the administrator wrote it, more or less; a long one is cut."""
    try:
        text = _printable(json.dumps(value, ensure_ascii=False, default=str, skipkeys=True))
    except ValueError:  # a number of thousands of digits
        text = "the value"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _printable(text: str) -> str:
    """What does not show is shown by its number: else nobody sees what is wrong."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)


def _description(part: Mapping[str, Any]) -> str:
    return str(part.get("description", f"see {document('settings.md')}"))


def _unknown_key(source: str, path: list[str], known: Iterable[str]) -> Problem:
    known = list(known)
    where = f"{source}: {shown_way(path)}"
    if len(path) == 1 and path[0] in known_synapse_options():
        return Problem(where, "is an option of Synapse", "put it, indented, below `synapse:`")
    near = get_close_matches(path[-1].replace("-", "_").lower(), known, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return Problem(where, "is not a known setting", remedy)


def _missing_key(source: str, path: list[str], part: Mapping[str, Any]) -> Problem:
    example = part.get("examples", [part.get("default", "…")])[0]
    return Problem(f"{source}: {shown_way(path)}", "is missing", f"add `{path[-1]}: {example}`")


def _wrong_type(
    where: str, instance: object, part: Mapping[str, Any], scalar: Scalar | None
) -> Problem:
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    if instance is None:
        return Problem(where, "is empty", "fill it in or remove the key")
    expected = " or ".join(_TYPE_NAMES[name] for name in types)
    plain = scalar is not None and not scalar.quoted
    # Without quotes YAML takes `no` for false and `0123` for 83: told is what stands there.
    shown = scalar.text if scalar and plain and not isinstance(instance, str) else _shown(instance)
    if "string" in types:
        remedy = f"write {_text_for(instance, part, scalar)}"
    elif "boolean" in types:
        remedy = "write true or false, without quotes"
    elif "array" in types:
        remedy = "write one item per line, each after `- `"
    elif "object" in types:
        remedy = "put its keys, indented, in the lines below"
    elif "integer" in types:
        remedy = _number_for(instance, part, quoted=not plain)
    else:
        remedy = _description(part)
    return Problem(where, f"{shown} is not {expected}", remedy)


def _text_for(instance: object, part: Mapping[str, Any], scalar: Scalar | None) -> str:
    """The text that somebody most likely meant who wrote a number, a date, yes or no."""
    if isinstance(instance, list | dict):
        return _example(part)
    text = str(instance) if scalar is None else scalar.text
    check = _check_of(part)
    unit = ""
    if type(instance) is int and text == str(instance):
        # Nobody means a file of 50 bytes; whoever has counted them writes many digits.
        unit = {"duration": "d", "size": "M" if instance < 100_000 else ""}.get(part["format"], "")
    if remedy := accepted(check, (f"{text}{unit}", text)):
        return remedy
    try:
        check(text)
    except ValueError as error:
        near = remedy_of(error).removeprefix("write ")
        if not isinstance(instance, bool) and " " not in near:
            return near
    return _example(part)


def _number_for(instance: object, part: Mapping[str, Any], *, quoted: bool) -> str:
    """The whole number that somebody meant by a text or by a decimal fraction."""
    try:
        number = Decimal(str(instance).strip())
        text = str(int(number)) if number == int(number) else ""
    except (InvalidOperation, ValueError, OverflowError):
        text = ""
    if text and (found := accepted(_check_of(part), [text])):
        quotes = ", without quotes" if isinstance(instance, str) and quoted else ""
        return f"write {found.strip(chr(34))}{quotes}"
    least, most = part["minimum"], part["maximum"]
    return f"write a whole number from {least} to {most}, as in {_example(part)}"


def _check_of(part: Mapping[str, Any]) -> Check:
    """What a text has to pass to stand at this place."""
    if "format" in part:
        return CHECKS[part["format"]]

    def check_number(text: str) -> None:
        if not part["minimum"] <= int(text) <= part["maximum"]:
            raise ValueError

    return check_number


def _example(part: Mapping[str, Any]) -> str:
    given = part.get("examples", [part.get("default")])[0]
    if isinstance(given, int):
        return str(given)
    return as_yaml(given if given is not None else _EXAMPLES[part["format"]])


def _not_one_of(where: str, instance: object, choices: list[Any]) -> Problem:
    near = get_close_matches(str(instance).lower(), [str(choice).lower() for choice in choices], 1)
    names = ", ".join(str(choice) for choice in choices)
    spelling = next((c for c in choices if near and str(c).lower() == near[0]), None)
    remedy = f"did you mean {spelling}?" if spelling is not None else f"write one of {names}"
    return Problem(where, f"{_shown(instance)} is not one of {names}", remedy)
