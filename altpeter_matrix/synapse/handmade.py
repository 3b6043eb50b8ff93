"""A server that somebody set up by hand: until it is adopted, nothing of it is changed.

Our file in conf.d would replace whole options of an edited homeserver.yaml, the database first of
all. So the first generation is refused there, and `altpeter-matrix adopt` carries the edits over.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from ..base import untrusted_files
from ..base.commands import run
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.paths import Paths
from ..host import adoption_backup
from ..host.facts import SYNAPSE_PACKAGES
from . import config_files, identity

REMEDY = "run `altpeter-matrix adopt --dry-run`, then `altpeter-matrix adopt`"
_INTERRUPTED = "run `altpeter-matrix adopt` again, or with --undo"
_BY_HAND = "this server was set up by hand"
# Written by the maintainer script of Synapse's package.
PACKAGED_IN_CONF_D = ("server_name", "report_stats")


def problems(paths: Paths) -> list[Problem]:
    """Why this server has to be adopted first; empty once it serves a generation of ours."""
    if paths.move_from_sqlite.exists():
        return [Problem("altpeter-matrix adopt", f"{_BY_HAND}, and the move of its database from"
                        " SQLite has not ended; Synapse is stopped until it has",
                        f"if it is no longer under way, {_INTERRUPTED}")]  # fmt: skip
    adoption = adoption_backup.newest(paths)
    if adoption is not None and adoption.state == "unfinished":
        return [Problem("altpeter-matrix adopt", f"{_BY_HAND}, and its adoption was interrupted",
                        _INTERRUPTED)]  # fmt: skip
    if os.path.lexists(paths.current):
        return []
    return [Problem(where, f"{_BY_HAND}: {what}", REMEDY)
            for where, what in _signs(paths)]  # fmt: skip


def require_adopted(paths: Paths) -> None:
    if found := problems(paths):
        raise HostError(found)


def _signs(paths: Paths) -> list[tuple[str, str]]:
    homeserver = paths.synapse / "homeserver.yaml"
    found = []
    if is_edited(paths, homeserver):
        found.append((str(homeserver), "the file was edited"))
    found += [(str(path), "the file is not of Synapse's package") for path in own_snippets(paths)]
    # Without an edit, too: it is in use.
    found += [(one.where, one.what) for one in identity.sqlite_problems(paths)]
    return found


def is_edited(paths: Paths, conffile: Path) -> bool:
    """Whether a conffile of Synapse's package differs from what the package brought."""
    recorded = recorded_md5(paths).get(f"/{conffile.relative_to(paths.root)}")
    text = untrusted_files.content(paths, conffile) if recorded is not None else None
    return text is not None and md5(text) != recorded


def own_snippets(paths: Paths) -> list[Path]:
    """Files in conf.d that set more than Synapse's package does there."""
    return [
        path
        for path in config_files.others(paths)
        if path.parent == paths.synapse_conf_d and not _is_packaged(paths, path)
    ]


def _is_packaged(paths: Paths, path: Path) -> bool:
    try:
        return set(config_files.read(paths, path)) <= set(PACKAGED_IN_CONF_D)
    except MatrixConfigError:
        return False


def recorded_md5(paths: Paths) -> Mapping[str, str]:
    """What dpkg has recorded of the conffiles of Synapse's package: MD5 by path; not of those that
    its installed version has no more."""
    package = synapse_package(paths)
    if package is None:
        return {}
    shown = run("dpkg-query", "--show", "--showformat=${Conffiles}\n", package, check=False)
    rows = [line.split() for line in shown.stdout.splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def synapse_package(paths: Paths) -> str | None:
    present = [name for name in SYNAPSE_PACKAGES if (paths.package_lists / f"{name}.list").exists()]
    return present[0] if present else None


def md5(content: bytes) -> str:
    """dpkg's checksum, not a safeguard."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
