"""A nginx site as it is rendered, taken apart for the tests that look at it."""

import re
from typing import Any

from altpeter_matrix.render import nginx_site
from altpeter_matrix.settings import well_known

from ..samples import DELEGATED, facts, settings


def site(text: str = DELEGATED, **changes: Any) -> str:
    chosen = settings(text)
    return nginx_site.site(chosen, facts(**changes), tuple(well_known.documents(chosen)))


def all_servers(text: str) -> list[str]:
    """The server blocks: they begin and end in the first column."""
    return re.findall(r"^server \{$.*?^\}$", text, re.MULTILINE | re.DOTALL)


def servers(text: str) -> list[str]:
    """Those that serve our names."""
    return all_servers(text)[1:]


def locations(text: str) -> dict[str, str]:
    """The location blocks of the HTTPS server by what they match."""
    found = re.findall(r"^    location (.*?) \{$(.*?)^    \}$", text, re.MULTILINE | re.DOTALL)
    return {match: body for match, body in found if match != "/"}


def listens(server: str) -> list[str]:
    return re.findall(r"^ *listen (.*);$", server, re.MULTILINE)


def names(server: str) -> list[str]:
    (line,) = re.findall(r"^ *server_name (.*);$", server, re.MULTILINE)
    return str(line).split()


def matched(source: str, value: str, result: str = r"\S+?") -> str:
    """What the site's map of that source (to that variable) makes of a value."""
    (block, *_) = re.findall(
        rf"map {re.escape(source)} \${result} \{{(.*?)\n\}}", site(), re.DOTALL
    )
    for literal, found in re.findall(r"^ +([A-Z0-9]+) (\S+);", block, re.MULTILINE):
        if literal == value:
            return str(found)
    for pattern, found in re.findall(r'"~(.*?)" (\S+);', block):
        if re.search(pattern, value):
            return str(found)
    return str(re.findall(r"default (\S+);", block)[0])


def allowed_paths() -> str:
    name = r"map \$request_uri \$altpeter_matrix_path_allowed"
    (block,) = re.findall(rf"{name} \{{(.*?)\n\}}", site(), re.DOTALL)
    return str(block)
