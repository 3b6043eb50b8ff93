"""Synapse's packaged files that somebody edited, on a server that is served from generations.

Such an edit is silent until a version of Synapse brings another text of the file: dpkg would then
ask, and unattended-upgrades leave Synapse out without a word. `altpeter-matrix adopt` ends that.
"""

from collections.abc import Iterator
from pathlib import Path

from .errors import Finding, Problem, error
from .handmade import REMEDY, md5, recorded_md5
from .paths import Paths

NAMES = ("homeserver.yaml", "log.yaml")


def edited(paths: Paths) -> tuple[Path, ...]:
    """Those that are not as dpkg recorded them; also deleted ones and links."""
    return tuple(path for path, _recorded in _edited(paths))


def notices(paths: Paths) -> Iterator[Problem]:
    """For `status`: nothing is wrong yet."""
    for path in edited(paths):
        yield Problem(
            str(path),
            "was edited: an upgrade of Synapse that changes this file too will be held back",
            REMEDY,
        )


def collisions(paths: Paths, root: Path, name: str) -> Iterator[Finding]:
    """What forbids a candidate: it changes a file that was edited here.

    root: its unpacked package. name: what to call it.
    """
    for path, recorded in _edited(paths):
        new = root / path.relative_to(paths.root)
        if new.is_file() and md5(new.read_bytes()) != recorded:
            yield error(
                str(path),
                f"was edited, and {name} changes it too: dpkg would ask which one to take",
                REMEDY,
            )


def _edited(paths: Paths) -> Iterator[tuple[Path, str]]:
    """Each with the MD5 of its packaged text."""
    recorded = recorded_md5(paths)
    for name in NAMES:
        path = paths.synapse / name
        packaged = recorded.get(f"/{path.relative_to(paths.root)}")
        if packaged is None:
            continue
        if path.is_symlink() or not path.is_file() or md5(path.read_bytes()) != packaged:
            yield path, packaged
