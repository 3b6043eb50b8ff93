"""Whether Synapse does the same before and after an adoption, option by option."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..base.errors import Problem, ValidationError
from ..settings.quantities import parse_size
from ..settings.rules import SECRET_NAME
from ..settings.schema import annotated, owners

Options = Mapping[str, Any]
# Of these a change by default would be felt: media would be deleted, links be fetched.
KEPT_DEFAULTS: Options = {
    option: annotated("x-synapse-default")[setting]
    for option, setting in owners().items()
    if setting in annotated("x-synapse-default")
}
# What Synapse does when nothing is said: no change, so nothing to announce.
DEFAULTS: Options = {
    "enable_metrics": False,
    "enable_registration": False,
    "suppress_key_server_warning": False,
    **KEPT_DEFAULTS,
}


def same(key: str, one: Any, other: Any) -> bool:
    """Whether two values of an option mean the same to Synapse."""
    size = annotated("format").get(owners().get(key, "")) == "size"
    if size and one is not None and other is not None:
        with suppress(ValueError):
            return parse_size(str(one)) == parse_size(str(other))
    if key == "public_baseurl" and isinstance(one, str) and isinstance(other, str):
        return one.rstrip("/") == other.rstrip("/")
    return bool(one == other)


def differing(before: Options, after: Options, expected: Collection[str]) -> list[str]:
    """The options that mean something else afterwards, but for those that are expected to."""
    return [
        key
        for key in sorted({*before, *after} - {*expected})
        if not same(key, *(one.get(key, DEFAULTS.get(key)) for one in (before, after)))
    ]


def require_none(differing: Iterable[str], remedy: str) -> None:
    """ValidationError for each of these options, with what to do instead."""
    if problems := [
        Problem(f"Synapse: {key}", "would be another than before", f"nothing was changed; {remedy}")
        for key in dict.fromkeys(differing)
    ]:
        raise ValidationError(problems)


def shown(key: str, options: Options) -> str:
    """A value for a person's eyes: short, and never a secret."""
    if key not in options:
        return "not set"
    return _text(key, options[key])


def _text(key: str, value: Any) -> str:
    if isinstance(value, str) and SECRET_NAME.search(key):
        return "«secret»"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_text(str(k), v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        words = [_text(key, one) for one in value[:4]]
        return "[" + ", ".join(words) + (", …]" if len(value) > 4 else "]")
    return str(value).lower() if isinstance(value, bool) else str(value)
