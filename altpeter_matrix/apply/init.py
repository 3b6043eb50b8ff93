"""`altpeter-matrix init`: the first settings.yaml, with what this host already knows."""

import socket
from collections.abc import Iterator

from ..base import disk
from ..base.commands import run
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.paths import Paths
from ..settings.model import load_settings
from ..synapse import config_files, handmade
from .generations import SETTINGS
from .prepared import read_settings, settings_text

_TEXT = """\
# The settings of this Matrix server. Afterwards: altpeter-matrix apply
# All settings: /usr/share/doc/altpeter-matrix-config/settings.md

# The domain in user IDs (@user:server_name). It can never change once users exist.
server_name: {server_name}

# Whether Synapse reports anonymous statistics to its makers.
report_stats: {report_stats}
"""


def init(paths: Paths, server_name: str | None = None, if_unknown: str | None = None) -> str | None:
    """Write settings.yaml unless it is there; the server name that was written.

    On a server that is in use these are the settings that it was told to serve: what a host knows
    by itself would make another server of it.

    server_name: the name, whatever the host knows.
    if_unknown: the name when no Synapse on this host has one: the answer to the package's question.
    """
    if paths.settings.exists():
        return None
    if server_name is None and (in_use := _in_use(paths)) is not None:
        text, served = in_use
        disk.ensure_directory(paths.configuration, 0o755)
        disk.replace(paths.settings, text.encode(), 0o600)
        return served
    if server_name is None and handmade.problems(paths):
        return None  # `adopt` writes them, from what it finds
    name = server_name or _first_usable(_known_names(paths, if_unknown))
    if name is None:
        raise HostError(
            Problem(
                str(paths.settings), "is missing, and this host has no full domain name",
                "run `altpeter-matrix init --server-name example.org` with your domain, then"
                " `altpeter-matrix apply`",
            )
        )  # fmt: skip
    load_settings({"server_name": name}, source="--server-name")  # raises when it is none
    statistics = config_files.merged_without_ours(paths).get("report_stats") is True
    text = _TEXT.format(server_name=name, report_stats=str(statistics).lower())
    disk.ensure_directory(paths.configuration, 0o755)
    disk.replace(paths.settings, text.encode(), 0o644)
    return name


def _in_use(paths: Paths) -> tuple[str, str] | None:
    """The text of the settings that the current generation was made from, and its server name."""
    copy = paths.current / SETTINGS
    try:
        return settings_text(copy), read_settings(paths, copy).server_name
    except (OSError, MatrixConfigError):
        return None


def _known_names(paths: Paths, if_unknown: str | None) -> Iterator[str]:
    """Best first: the server that runs, the answers to Synapse's and our questions, the host's."""
    name = config_files.merged_without_ours(paths).get("server_name")
    yield name if isinstance(name, str) else ""
    yield _debconf_answer()
    yield if_unknown or ""
    yield socket.getfqdn()


def _debconf_answer() -> str:
    for package in ("matrix-synapse-py3", "matrix-synapse"):
        try:
            answer = run(
                "debconf-communicate", package, input="GET matrix-synapse/server-name\n",
                check=False, timeout=30,
            )  # fmt: skip
        except HostError:
            return ""
        code, _, value = answer.stdout.strip().partition(" ")
        if code == "0" and value:
            return value
    return ""


def _first_usable(names: Iterator[str]) -> str | None:
    for name in names:
        try:
            load_settings({"server_name": name}, source="settings.yaml")
        except MatrixConfigError:
            continue
        return name
    return None
