"""Values as an administrator can type them into YAML."""

import re

import yaml

# Nothing of it has a meaning of its own in YAML's syntax, inside [brackets] and out.
_PLAIN = re.compile(r"[^\W_][\w/@.+:<>=?!$%&~() -]*|[/@][\w/@.+:-]*")


def as_yaml(text: str) -> str:
    """A text, in quotes where YAML would read something else without them."""
    if _PLAIN.fullmatch(text) and text.isprintable() and _reads(text):
        return text
    if '"' in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return f'"{"".join(map(_escaped, text))}"'


def _reads(text: str) -> bool:
    try:
        read: object = yaml.safe_load(f"[{text}]")
    except (yaml.YAMLError, ValueError):
        return False
    return read == [text]


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
