"""The files of a backup in the place of those that are here, and back.

They come from a directory that root alone can enter, and go into one that may belong to Synapse's
user: base/disk.py writes there through no link of that user's.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..base import disk
from ..base.accounts import SYNAPSE_USER, read_accounts
from ..base.commands import run
from ..base.paths import Paths
from ..host.links import SYNAPSE as OUR_LINK
from .access import Access
from .manifest import Manifest

# dpkg owns them: an old text would be an edit, about which it asks.
_CONFFILES = ("/etc/matrix-synapse/homeserver.yaml", "/etc/matrix-synapse/log.yaml")
# Where every file counts: one that is not in the backup is one too many.
_READ_WHOLE = (
    "/etc/altpeter-matrix/synapse.d", "/etc/altpeter-matrix/nginx.d", "/etc/matrix-synapse/conf.d",
)  # fmt: skip


@dataclass(frozen=True)
class RestoredFiles:
    """staged: the backup's files by their paths. before: those that were here."""

    paths: Paths
    described: Manifest
    access: Access | None

    @property
    def staged(self) -> Path:
        return self.paths.restore / "files"

    @property
    def before(self) -> Path:
        return self.paths.restore / "before"

    def keep_present(self) -> None:
        """Copy what is here, once: after a kill it may be half of the backup's already."""
        if self.before.exists():
            return
        unfinished = self.before.with_name("before.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        for place in self.described.files:
            present = self.paths.on_host(place)
            if present.exists():
                target = unfinished / place.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                run("cp", "--archive", "--no-target-directory", present, target, timeout=600)
        unfinished.rename(self.before)
        disk.synchronise_directory(self.before.parent)

    def install(self) -> None:
        """Put the backup's files into their places. May be done any number of times."""
        ours = {str(one) for one in self.access.secret_files} if self.access else set()
        names = set()
        for file in _files(self.staged):
            name = f"/{file.relative_to(self.staged)}"
            names.add(name)
            there = os.path.lexists(self.paths.on_host(name))
            # What opened the repository just now is newer than what it holds.
            if not (there and (name in _CONFFILES or name in ours)):
                self._put(file, name, self._here)
        self._remove(lambda name: name not in names)

    def put_back(self) -> None:
        """Put what was here into its place again. May be done any number of times."""
        was = {f"/{file.relative_to(self.before)}" for file in _files(self.before)}
        for name in was:
            self._put(self.before / name.lstrip("/"), name, lambda uid, gid: (uid, gid))
        came = {f"/{file.relative_to(self.staged)}" for file in _files(self.staged)} - was
        for name in came:
            disk.remove(self.paths.on_host(name))

    def _here(self, uid: int, gid: int) -> tuple[int, int]:
        """The owner on this host of what had this one on that."""
        accounts = read_accounts(self.paths.root)
        user = accounts.ids.get(SYNAPSE_USER, 0) if uid == self.described.user else 0
        group = accounts.group_id(accounts.synapse_group()) or 0
        return user, group if gid == self.described.group else 0

    def _put(self, file: Path, name: str, owners: Callable[[int, int], tuple[int, int]]) -> None:
        target, state = self.paths.on_host(name), file.lstat()
        if not target.parent.exists():
            disk.ensure_directory(target.parent, 0o755)
        if stat.S_ISLNK(state.st_mode):
            # What leads into a generation is made by apply.
            if not os.readlink(file).startswith(str(Paths().state)):
                disk.replace_link(target, os.readlink(file))
            return
        user, group = owners(state.st_uid, state.st_gid)
        mode = stat.S_IMODE(state.st_mode) & 0o777
        disk.replace(target, file.read_bytes(), mode, group, user)

    def _remove(self, too_much: Callable[[str], bool]) -> None:
        for place in map(self.paths.on_host, _READ_WHOLE):
            for file in sorted(place.iterdir()) if place.is_dir() else ():
                name = f"/{file.relative_to(self.paths.root)}"
                extra = too_much(name) and file.name.endswith((".yaml", ".conf"))
                if extra and file != self.paths.root / OUR_LINK:
                    disk.remove(file)


def _files(top: Path) -> Iterator[Path]:
    """Regular files and links; nothing else is taken over."""
    for directory, _, names in os.walk(top):
        for name in sorted(names):
            file = Path(directory) / name
            if stat.S_ISREG(mode := file.lstat().st_mode) or stat.S_ISLNK(mode):
                yield file
