"""Where the static parts of the package are: the schema, the nginx template, Synapse's options,
and the documents that messages send their reader to."""

from functools import cache
from pathlib import Path

INSTALLED = Path("/usr/share/altpeter-matrix-config")
DOCUMENTS = Path("/usr/share/doc/altpeter-matrix-config")
CHECKOUT = Path(__file__).resolve().parents[2]


def resource(name: str) -> Path:
    """The path of one static file, in the checkout that this module is part of, else installed."""
    return _found(CHECKOUT / "files" / name, INSTALLED / name)


def document(name: str) -> Path:
    """The path of a document of docs/, in the checkout that this module is part of, else on the
    host."""
    return _found(CHECKOUT / "docs" / name, DOCUMENTS / name)


def _found(in_checkout: Path, installed: Path) -> Path:
    return in_checkout if in_checkout.is_file() else installed


@cache
def known_synapse_options() -> frozenset[str]:
    """The top-level options that Synapse had when this package was made (1.163)."""
    return frozenset(resource("synapse/options.txt").read_text(encoding="utf-8").split())
