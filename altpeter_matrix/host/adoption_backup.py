"""What an adoption replaces, kept in one dated directory, and the way back.

The record is complete and on the disk before the first change, so a run that was killed anywhere
can be undone: putting everything back twice does no harm.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..base import disk, untrusted_files
from ..base.accounts import SYNAPSE_USER
from ..base.paths import Paths
from ..base.state_file import StateFile

_RECORD = "record.json"
State = Literal["unfinished", "finished", "undone"]


@dataclass(frozen=True)
class Entry:
    """One path as it was before: a file, a link, or nothing."""

    path: str
    kind: Literal["file", "link", "absent"]
    saved: str = ""  # the file's name in the directory, or the link's target
    mode: int = 0
    owner: int = 0
    group: int = 0


@dataclass(frozen=True)
class Backup:
    """The newest adoption of this host."""

    paths: Paths
    directory: Path
    entries: tuple[Entry, ...]
    state: State

    def mark(self, state: State) -> "Backup":
        _write(self.paths, self.directory, state)
        return Backup(self.paths, self.directory, self.entries, state)

    def sites(self) -> list[str]:
        """The sites of nginx that were there."""
        loaded = ("/etc/nginx/sites-enabled/", "/etc/nginx/conf.d/")
        return [
            one.path for one in self.entries if one.path.startswith(loaded) and one.kind != "absent"
        ]

    def restore(self) -> list[str]:
        """Put everything back as it was, in the order of the record; what was changed."""
        return [entry.path for entry in self.entries if self._restore(entry)]

    def _restore(self, entry: Entry) -> bool:
        path = self.paths.on_host(entry.path)
        if entry.kind == "absent":
            if not os.path.lexists(path):
                return False
            disk.remove(path)
            return True
        if entry.kind == "link":
            if path.is_symlink() and os.readlink(path) == entry.saved:
                return False
            disk.replace_link(path, entry.saved)
            return True
        content = (self.directory / entry.saved).read_bytes()
        if not path.is_symlink() and _present(self.paths, path) == content:
            return False
        disk.replace(path, content, entry.mode, entry.group, entry.owner)
        return True


def newest(paths: Paths) -> Backup | None:
    """The last adoption; None where there was none, or its record is lost."""
    pointer = _POINTER.read(_pointer(paths))
    if pointer is None:
        return None
    name, state = pointer
    directory = paths.adopted / name
    entries = _ENTRIES.read(directory / _RECORD)
    return None if entries is None else Backup(paths, directory, entries, state)


def begin(paths: Paths, changing: Sequence[Path]) -> Backup:
    """Keep all that is about to change."""
    disk.ensure_directory(paths.adopted, 0o700)
    directory = disk.dated_directory(paths.adopted)
    entries = tuple(_keep(paths, directory, path) for path in changing)
    text = _ENTRIES.text({"entries": [asdict(one) for one in entries]})
    disk.write_new(directory / _RECORD, text, _ENTRIES.mode)
    disk.synchronise_directory(directory)
    disk.synchronise_directory(paths.adopted)
    _write(paths, directory, "unfinished")
    return Backup(paths, directory, entries, "unfinished")


def _keep(paths: Paths, directory: Path, path: Path) -> Entry:
    name = f"/{path.relative_to(paths.root)}"
    if path.is_symlink():
        return Entry(name, "link", os.readlink(path))
    content = untrusted_files.content(paths, path, _owner(paths, path))
    if content is None:
        return Entry(name, "absent")
    state = path.lstat()
    saved = name.strip("/").replace("/", "_")
    # 0600: homeserver.yaml holds passwords, whatever its own mode is.
    disk.write_new(directory / saved, content, 0o600)
    return Entry(name, "file", saved, state.st_mode & 0o7777, state.st_uid, state.st_gid)


def _present(paths: Paths, path: Path) -> bytes | None:
    found = untrusted_files.contents_or_problems(paths, [path], _owner(paths, path)).get(path)
    return found if isinstance(found, bytes) else None


def _owner(paths: Paths, path: Path) -> str:
    """As whom a file is read: those of Synapse as its user."""
    return SYNAPSE_USER if path.is_relative_to(paths.synapse) else "root"


def _write(paths: Paths, directory: Path, state: State) -> None:
    _POINTER.write(_pointer(paths), {"directory": directory.name, "state": state})


def _pointer(paths: Paths) -> Path:
    return paths.state / "adoption.json"


def _parse_pointer(raw: dict[str, Any]) -> tuple[str, State] | None:
    return raw["directory"], raw["state"]


def _parse_entries(raw: dict[str, Any]) -> tuple[Entry, ...] | None:
    return tuple(Entry(**one) for one in raw["entries"])


_POINTER = StateFile(_parse_pointer, missing=None)
_ENTRIES = StateFile(_parse_entries, missing=None)
