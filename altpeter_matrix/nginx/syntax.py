"""nginx's configuration as a tree: enough of its syntax to see what a site serves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..base.commands import run
from ..base.errors import HostError, Problem

# As ngx_conf_read_token() has it: inside a word only blanks, `;` and `{` mean something.
TOKEN = re.compile(
    r"""[ \t\r\n]+|\#[^\n]*
    |(?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<mark>[{};])
    |(?P<word>(?:\$\{|\\.|[^ \t\r\n;{}"'\\])(?:\$\{|\\.|[^ \t\r\n;{\\])*)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"""\\(["'\\trn])""")
_CONTROLS = {"t": "\t", "r": "\r", "n": "\n"}
# Of a program in Lua: what may hold a brace that is none.
_LUA = re.compile(
    r"""--\[(?P<comment>=*)\[.*?\](?P=comment)\]|--[^\n]*
    |\[(?P<text>=*)\[.*?\](?P=text)\]
    |"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'
    |[{}]
    """,
    re.VERBOSE | re.DOTALL,
)
_FILE = re.compile(r"^# configuration file (.*):\n", re.MULTILINE)


@dataclass(frozen=True)
class Directive:
    name: str
    arguments: tuple[str, ...]
    block: "tuple[Directive, ...]" = ()

    def all(self, *names: str) -> "Iterator[Directive]":
        """The directives of these names directly inside."""
        return (one for one in self.block if one.name in names)

    def deep(self, *names: str) -> "Iterator[Directive]":
        """The same, at any depth."""
        for one in self.block:
            if one.name in names:
                yield one
            yield from one.deep(*names)


def loaded_files() -> dict[str, Directive]:
    """Each file of nginx's complete configuration, by the path that nginx reads it through."""
    shown = run("nginx", "-T", "-q", check=False)
    if not shown.ok:
        raise HostError(
            Problem("nginx", "its configuration is broken", "repair it, see `nginx -t`")
        )
    parts = _FILE.split(shown.stdout)[1:]
    return {
        path: Directive(path, (), parse(text, path))
        for path, text in zip(parts[::2], parts[1::2], strict=True)
        if not path.endswith(("mime.types", "_params", ".map"))
    }


def parse(text: str, source: str) -> tuple[Directive, ...]:
    """The directives of a file. Raises HostError for a text that this grammar does not cover."""
    tokens = list(_tokens(text, source))
    directives, rest = _block(tokens, 0, source)
    if rest != len(tokens):
        raise _unreadable(source)
    return directives


def _tokens(text: str, source: str) -> Iterator[tuple[str, str]]:
    position, last = 0, ""
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None:
            raise _unreadable(source)
        position = match.end()
        if match.lastgroup is None:
            continue
        kind, found = match.lastgroup, match.group()
        if kind == "mark":
            yield kind, found
            if found == "{" and last.endswith("_by_lua_block"):
                position = _end_of_lua(text, position, source)
        else:
            yield "word", _ESCAPED.sub(_meant, found[1:-1] if kind == "quoted" else found)
        last = found


def _meant(escaped: re.Match[str]) -> str:
    """nginx leaves all other backslashes, those of patterns, where they are."""
    return _CONTROLS.get(escaped[1], escaped[1])


def _end_of_lua(text: str, begin: int, source: str) -> int:
    """Where the brace is that ends the program."""
    depth = 1
    for match in _LUA.finditer(text, begin):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return match.start()
    raise _unreadable(source)


def _block(
    tokens: list[tuple[str, str]], start: int, source: str
) -> tuple[tuple[Directive, ...], int]:
    found: list[Directive] = []
    words: list[str] = []
    position = start
    while position < len(tokens):
        kind, text = tokens[position]
        position += 1
        if kind == "word":
            words.append(text)
        elif text == "}":
            return tuple(found), position - 1
        elif not words:
            raise _unreadable(source)
        else:
            inside: tuple[Directive, ...] = ()
            if text == "{":
                inside, position = _block(tokens, position, source)
                if position >= len(tokens):
                    raise _unreadable(source)
                position += 1
            found.append(Directive(words[0], tuple(words[1:]), inside))
            words = []
    if words:
        raise _unreadable(source)
    return tuple(found), position


def _unreadable(source: str) -> HostError:
    return HostError(
        Problem(source, "is nginx configuration that altpeter-matrix cannot read", "simplify it")
    )
