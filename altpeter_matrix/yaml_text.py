"""YAML read strictly: one mapping, every key once, every error with its file and line."""

from collections.abc import Hashable
from typing import Any

import yaml

from .errors import Problem, SettingsError


class _StrictLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; this loader refuses the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        first_lines: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # the base class reports it
            if key in first_lines:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key} is there twice (first in line {first_lines[key]})",
                    problem_mark=key_node.start_mark,
                )
            first_lines[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)


def parse_mapping(text: str, source: str) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file holds an empty one.

    Raises SettingsError, with the line, for anything else.
    """
    try:
        # A subclass of SafeLoader: no tag of it makes a Python object.
        data = yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        raise SettingsError(_problem(error, source)) from error
    except yaml.YAMLError as error:  # a character that YAML forbids: it has no line
        raise SettingsError(
            Problem(source, f"is not YAML ({_one_line(error)})", "remove the character")
        ) from error
    except RecursionError as error:
        raise SettingsError(
            Problem(source, "is nested too deeply", "check its brackets")
        ) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SettingsError(
            Problem(source, "does not hold `key: value` lines", "write `server_name: example.org`")
        )
    odd = [key for key in data if not isinstance(key, str)]
    if odd:
        raise SettingsError(
            Problem(f"{source}: {key}", "is not a known key", "remove it") for key in odd
        )
    return data


def _problem(error: yaml.MarkedYAMLError, source: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    where = f"{source}: line {mark.line + 1}" if mark else source
    what = error.problem or "is not YAML"
    if "is there twice" in what:
        return Problem(where, what, "remove one of them")
    return Problem(
        where, f"is not YAML ({what})", "check the indentation, colons and quotes around this line"
    )


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
