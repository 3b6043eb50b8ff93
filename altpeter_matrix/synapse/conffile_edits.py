"""Synapse's packaged files that somebody edited, on a server that is served from generations.

Such an edit is silent until a version of Synapse brings another text of the file: dpkg would then
ask, and unattended-upgrades leave Synapse out without a word. `altpeter-matrix adopt` ends that for
the files that it can carry over; of the others the administrator has to decide.
"""

from collections.abc import Iterator
from pathlib import Path

from ..base import untrusted_files
from ..base.errors import Objection, Problem, error
from ..base.paths import Paths
from ..base.resources import document
from .handmade import REMEDY, md5, recorded_md5

ADOPTABLE = ("homeserver.yaml", "log.yaml")
_BY_HAND = (
    f"move your change elsewhere and put the packaged text back, as {document('updates.md')} says"
)


def edited(paths: Paths) -> tuple[Path, ...]:
    """Those that `adopt` can carry over and that are not as dpkg recorded them; also deleted ones
    and links."""
    return tuple(path for path, _recorded in _edited(paths) if _is_adoptable(paths, path))


def notices(paths: Paths) -> Iterator[Problem]:
    """For `status`: nothing is wrong yet."""
    for path, _recorded in _edited(paths):
        yield Problem(
            str(path),
            "was edited: an upgrade of Synapse that changes this file too will be held back",
            _remedy(paths, path),
        )


def collisions(paths: Paths, root: Path, name: str) -> Iterator[Objection]:
    """What forbids a candidate: it changes a file that was edited here, and not to the same text.

    root: its unpacked package. name: what to call it.
    """
    for path, recorded in _edited(paths):
        new = root / path.relative_to(paths.root)
        if new.is_file() and md5(new.read_bytes()) not in {recorded, _present(paths, path)}:
            yield error(
                str(path),
                f"was edited, and {name} changes it too: dpkg would ask which one to take",
                _remedy(paths, path),
            )


def _edited(paths: Paths) -> Iterator[tuple[Path, str]]:
    """Each with the MD5 of its packaged text."""
    for name, packaged in recorded_md5(paths).items():
        path = paths.on_host(name)
        if path.is_symlink() or _present(paths, path) != packaged:
            yield path, packaged


def _present(paths: Paths, path: Path) -> str | None:
    found = untrusted_files.contents_or_problems(paths, [path]).get(path)
    return md5(found) if isinstance(found, bytes) else None


def _is_adoptable(paths: Paths, path: Path) -> bool:
    return path.parent == paths.synapse and path.name in ADOPTABLE


def _remedy(paths: Paths, path: Path) -> str:
    return REMEDY if _is_adoptable(paths, path) else _BY_HAND
