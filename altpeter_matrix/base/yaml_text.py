"""The one reader of YAML: each value where it stands, each mistake with its file and place.

PyYAML keeps the last of two equal keys without a word, follows aliases without an end, and ends in
half a dozen kinds of exception that are not its own: here whatever bytes come in, values come out,
or an error that says what to do. Merge keys (<<) are read as PyYAML does.
"""

import re
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml

from .errors import Problem, SettingsError
from .plain_data import Shapeless, require_shape, shown_key

_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"
_TWICE = "is there twice"
_STRANGE = "remove the character, or write it as an escape in double quotes"
# The byte order mark by which some editors begin a file, and characters that YAML forbids.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class YamlMistake(yaml.MarkedYAMLError):
    """A mistake that PyYAML has no error for, with the way to the value."""

    def __init__(self, shapeless: Shapeless, mark: yaml.Mark | None = None) -> None:
        super().__init__(problem=shapeless.what, problem_mark=mark)
        self.shapeless = shapeless


class _Constructor(yaml.constructor.SafeConstructor):
    """PyYAML's safe one, without the errors of Python's that a value such as 2020-13-45 raises."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            kind = node.tag.rpartition(":")[2]
            raise yaml.constructor.ConstructorError(
                problem=f"not a value of the type {kind}", problem_mark=node.start_mark
            ) from error


class _Loader(_Constructor, yaml.SafeLoader):
    """Without the types that Python has no way to write down as such: they become lists."""

    def construct_no_pairs(self, node: yaml.Node) -> Any:
        raise yaml.constructor.ConstructorError(
            problem=f"the type {node.tag.rpartition(':')[2]} is not supported, write a list",
            problem_mark=node.start_mark,
        )


for _name in ("omap", "pairs"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _Loader.construct_no_pairs)


# Ten times faster, where PyYAML has it; libyaml bounds the nesting by itself.
_Fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _FastLoader(_Constructor, _Fast):  # type: ignore[misc, valid-type]
    pass


@dataclass(frozen=True)
class Scalar:
    """A value as it is written, without its quotes."""

    text: str
    quoted: bool
    line: int


@dataclass(frozen=True)
class Document:
    """A mapping, and how its values are written."""

    data: dict[str, Any]
    root: yaml.MappingNode | None = None

    def scalar(self, way: tuple[str | int, ...]) -> Scalar | None:
        """How the value at the end of this way is written; None when it is no scalar."""
        node: yaml.Node | None = self.root
        for step in way:
            node = _below(node, step)
        if not isinstance(node, yaml.ScalarNode):
            return None
        return Scalar(node.value, node.style is not None, node.start_mark.line + 1)


def _below(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        # Merged keys stand before a mapping's own, which win.
        found = (value for key, value in reversed(node.value) if key.value == step)
        return next(found, None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    return None


def parse_mapping(text: str, source: str) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file holds an empty one.

    Raises SettingsError, with the line, for anything else.
    """
    return parse_document(text, source).data


def parse_document(text: str, source: str) -> Document:
    """The same, with how the values are written."""
    try:
        data, root = _load(text, _Loader, strict=True)
    except YamlMistake as error:
        way = ".".join(error.shapeless.at)
        where = f"{source}: {way}" if way else source
        raise SettingsError(Problem(where, error.shapeless.what, error.shapeless.remedy)) from error
    except yaml.MarkedYAMLError as error:
        raise SettingsError(_problem(error, source)) from error
    except yaml.YAMLError as error:  # a character that YAML forbids: it has no line
        raise SettingsError(
            Problem(
                _place_of_forbidden(text, source), f"is not YAML ({_one_line(error)})", _STRANGE
            )
        ) from error
    if data is None:
        return Document({})
    if not isinstance(data, dict):
        raise SettingsError(
            Problem(source, "does not hold `key: value` lines", "write `server_name: example.org`")
        )
    odd = [key for key in data if not isinstance(key, str)]
    if odd:
        raise SettingsError(
            Problem(f"{source}: {shown_key(key)}", "is not a known key", "remove it") for key in odd
        )
    return Document(data, root)


def load_as_synapse(content: bytes | str) -> Any:
    """What Synapse reads in a file of its own, the last of two equal keys.

    Raises yaml.YAMLError, and nothing else, where Synapse could not read it, or where reading it
    would take all of the memory.
    """
    return _load(content, _FastLoader, strict=False)[0]


def _load(
    content: bytes | str, loader_class: Any, *, strict: bool
) -> tuple[Any, yaml.MappingNode | None]:
    with _only_yaml_errors():
        loader = loader_class(content)
    try:
        with _only_yaml_errors(loader):
            root = loader.get_single_node()
            if root is None:
                return None, None
            _require_shape(root)
            if strict:
                _refuse_equal_keys(loader, root)
            data = loader.construct_document(root)
            return data, root if isinstance(root, yaml.MappingNode) else None
    finally:
        loader.dispose()


@contextmanager
def _only_yaml_errors(loader: Any = None) -> Iterator[None]:
    """PyYAML lets through what Python says of an impossible character or number."""
    try:
        yield
    except RecursionError as error:
        deep = Shapeless((), "is nested too deeply", "check its brackets and indentation")
        raise YamlMistake(deep) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, UnicodeError):
            raise yaml.YAMLError("not UTF-8 text") from error
        mark = loader.get_mark() if isinstance(loader, yaml.SafeLoader) else None
        raise yaml.MarkedYAMLError(
            problem=_one_line(error) or "an impossible value", problem_mark=mark
        ) from error


def _require_shape(root: yaml.Node) -> None:
    try:
        require_shape(root, _parts_of)
    except Shapeless as shapeless:
        raise YamlMistake(shapeless) from shapeless


def _parts_of(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]] | None:
    if isinstance(node, yaml.MappingNode):
        return _pairs(node)
    if isinstance(node, yaml.SequenceNode):
        return ((str(index), part) for index, part in enumerate(node.value))
    return None


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        yield name, key
        yield name, value


def _refuse_equal_keys(loader: Any, root: yaml.Node) -> None:
    """Before anything is constructed: then the keys of a merge stand among a mapping's own."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_equal_keys_in(loader, node)
        waiting += [part for _, part in _parts_of(node) or ()]


def _refuse_equal_keys_in(loader: Any, node: yaml.MappingNode) -> None:
    first_lines: dict[Hashable, int] = {}
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE:
            continue  # a collection as a key: PyYAML refuses it
        key = loader.construct_object(key_node)
        if key in first_lines:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {key_node.value} {_TWICE} (first in line {first_lines[key]})",
                problem_mark=key_node.start_mark,
            )
        first_lines[key] = key_node.start_mark.line + 1


def _problem(error: yaml.MarkedYAMLError, source: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    where = f"{source}: line {mark.line + 1}" if mark else source
    what = error.problem or "is not YAML"
    if _TWICE in what:
        return Problem(where, what, "remove one of them")
    return Problem(
        where, f"is not YAML ({what})", "check the indentation, colons and quotes around this line"
    )


def _place_of_forbidden(text: str, source: str) -> str:
    found = _FORBIDDEN.search(text)
    return f"{source}: line {text.count(chr(10), 0, found.start()) + 1}" if found else source


def _one_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
