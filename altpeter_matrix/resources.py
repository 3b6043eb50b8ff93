"""Where the static parts of the package are: the schema, the nginx template, Synapse's options."""

from functools import cache
from pathlib import Path

INSTALLED = Path("/usr/share/altpeter-matrix-config")
CHECKOUT = Path(__file__).resolve().parent.parent / "files"


def resource(name: str) -> Path:
    """The path of one static file, in the checkout that this module is part of, else installed."""
    in_checkout = CHECKOUT / name
    return in_checkout if in_checkout.is_file() else INSTALLED / name


@cache
def known_synapse_options() -> frozenset[str]:
    """The top-level options that Synapse had when this package was made (1.163)."""
    return frozenset(resource("synapse/options.txt").read_text(encoding="utf-8").split())
