"""What to write instead: it is accepted itself and means what was meant, or it is an example."""

import unicodedata
from collections.abc import Callable, Iterable

from ..base.yaml_scalars import as_yaml

Check = Callable[[str], object]  # raises ValueError: "what is wrong; what to write"


class NotInFormat(ValueError):
    """What a format says of a text; the remedy is looked for when somebody asks for it.

    It reads on from the value: `"50 megs"` + ` is not a size; write 50M`.
    """

    def __init__(self, what: str, check: Check, near: Iterable[str], general: str) -> None:
        super().__init__(what)
        self._what, self._check, self._near, self._general = what, check, tuple(near), general

    def __str__(self) -> str:
        return f"{self._what}; write {accepted(self._check, self._near) or self._general}"


def accepted(check: Check, texts: Iterable[str]) -> str | None:
    """The first of the texts that the check accepts, as it is written in YAML."""
    for text in texts:
        try:
            check(text)
        except ValueError:
            continue
        return as_yaml(text)
    return None


def remedy_of(error: ValueError) -> str:
    return str(error).partition("; ")[2]


def visible(text: str) -> str:
    """The text without white space and what else does not show, such as a no-break space."""
    return "".join(c for c in text if c.isprintable() and not c.isspace())


def is_line(text: str) -> bool:
    """Whether this is one line of characters that show, or of spaces."""
    return all(c.isprintable() or unicodedata.category(c) in {"Zs", "Cf"} for c in text)


def dns_form(name: str) -> str:
    """A host name with letters beyond ASCII as DNS has it (RFC 5891); as it is where it has none.

    Python's own codec is of 2003 and makes another name of some: `straße` became `strasse`.
    """
    return ".".join(_dns_label(label) for label in name.replace("\u3002", ".").split("."))


def _dns_label(label: str) -> str:
    if label.isascii():
        return label
    label = unicodedata.normalize("NFC", label.lower())
    if not all(c == "-" or unicodedata.category(c)[0] in "LMN" for c in label):
        return label
    return f"xn--{label.encode('punycode').decode()}"
