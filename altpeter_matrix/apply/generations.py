"""Generations: complete sets of generated files, written once and never changed.

`current` points to the one in use. A new one is written beside the others under a name that
begins with a dot, checked there, and gets its number by rename(2).
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..base import disk, timestamps, untrusted_files
from ..base.accounts import SYNAPSE_USER, Accounts
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.state_file import StateFile

if TYPE_CHECKING:  # the renderer itself is loaded only by runs that render
    from ..render.generation import RenderedFile

RECORD = "generation.json"
# A copy of what the administrator had written: what this generation has to answer, not what the
# settings of today ask for.
SETTINGS = "settings.yaml"
KEPT = 10


@dataclass(frozen=True)
class FileRecord:
    """What a generated file must be."""

    sha256: str
    mode: int
    group: str | None


@dataclass(frozen=True)
class Generation:
    number: int
    directory: Path
    package_version: str
    created: str
    files: Mapping[str, FileRecord]


@dataclass(frozen=True)
class Tampering:
    """A generated file that somebody changed by hand."""

    file: Path
    what: str  # edited | deleted | added | given mode 0644 instead of 0640 | …


def records_of(files: "Iterable[RenderedFile]") -> dict[str, FileRecord]:
    return {
        str(file.path): FileRecord(hashlib.sha256(file.content).hexdigest(), file.mode, file.group)
        for file in files
    }


def _content(package_version: str, created: str, files: Mapping[str, FileRecord]) -> dict[str, Any]:
    return {
        "package_version": package_version,
        "created": created,
        "files": {path: asdict(record) for path, record in files.items()},
    }


def _parse(raw: Mapping[str, Any]) -> tuple[str, str, Mapping[str, FileRecord]] | None:
    files = {path: FileRecord(**record) for path, record in raw["files"].items()}
    return raw["package_version"], raw["created"], files


# By a record of another form nobody can tell what was changed by hand.
_FILE = StateFile(_parse, missing=None, exact=True)


class Store:
    """The generations of a host."""

    def __init__(self, paths: Paths, accounts: Accounts) -> None:
        self.paths = paths
        self.accounts = accounts

    def numbers(self) -> list[int]:
        if not self.paths.generations.is_dir():
            return []
        return sorted(int(d.name) for d in self.paths.generations.iterdir() if d.name.isdigit())

    def current_number(self) -> int | None:
        """The generation in use; None before the first apply, or when the link is damaged."""
        try:
            target = Path(os.readlink(self.paths.current))
        except OSError:
            return None
        return int(target.name) if target.name.isdigit() else None

    def current(self) -> Generation | None:
        number = self.current_number()
        return None if number is None else self.load(number)

    def load(self, number: int) -> Generation | None:
        """A generation by its record; None when the record is gone or unreadable."""
        directory = self.paths.generations / str(number)
        record = _FILE.read(directory / RECORD)
        return None if record is None else Generation(number, directory, *record)

    def rewrite(self, generation: Generation, files: Mapping[str, FileRecord]) -> None:
        """Record other modes for the files of a generation."""
        content = _content(generation.package_version, generation.created, files)
        _FILE.write(generation.directory / RECORD, content)

    def write_candidate(
        self, files: "Iterable[RenderedFile]", package_version: str, settings: str
    ) -> Path:
        """Write a complete generation that has no number yet, with the text of its settings."""
        files = tuple(files)
        disk.ensure_directory(self.paths.state, 0o755)
        disk.ensure_directory(self.paths.generations, 0o755)
        candidate = Path(tempfile.mkdtemp(prefix=".candidate-", dir=self.paths.generations))
        candidate.chmod(0o755)
        for file in files:
            target = candidate / file.path
            disk.ensure_directory(target.parent, 0o755)
            disk.write_new(target, file.content, file.mode, self.accounts.group_id(file.group))
        record = _content(package_version, timestamps.now(), records_of(files))
        # It has a hash of each file, also of those with secrets.
        disk.write_new(candidate / RECORD, _FILE.text(record), _FILE.mode)
        disk.write_new(candidate / SETTINGS, settings.encode(), 0o600)
        for directory in {candidate, *(candidate / file.path.parent for file in files)}:
            disk.synchronise_directory(directory)
        return candidate

    def adopt(self, candidate: Path) -> int:
        """Give a checked candidate the next number."""
        number = max([*self.numbers(), self.current_number() or 0], default=0) + 1
        candidate.rename(self.paths.generations / str(number))
        disk.synchronise_directory(self.paths.generations)
        return number

    def activate(self, number: int) -> None:
        """Make a generation the current one."""
        current = self.paths.current
        if current.is_dir() and not current.is_symlink():
            # Somebody replaced the link by a directory: rename(2) would refuse.
            shutil.move(current, self.set_aside_directory() / "current")
        disk.replace_link(current, f"generations/{number}")

    def newest_matching(self, files: "Iterable[RenderedFile]") -> int | None:
        """A whole generation with these files that was written after the current one.

        It is there when a run was killed between writing it and making it current.
        """
        numbers = self.numbers()
        if not numbers or numbers[-1] <= (self.current_number() or 0):
            return None
        generation = self.load(numbers[-1])
        if generation is None or dict(generation.files) != records_of(files):
            return None
        return None if self.tampering(generation) else generation.number

    def tampering(self, generation: Generation) -> list[Tampering]:
        """What differs between a generation's record and its files."""
        found = []
        expected = {generation.directory / path: r for path, r in generation.files.items()}
        for path, record in expected.items():
            difference = self._difference(path, record)
            if difference:
                found.append(Tampering(path, difference))
        known = {*expected, generation.directory / RECORD, generation.directory / SETTINGS}
        found += [
            Tampering(path, "added")
            for path in sorted(generation.directory.rglob("*"))
            if path not in known and (path.is_symlink() or not path.is_dir())
        ]
        return found

    def _difference(self, path: Path, record: FileRecord) -> str | None:
        try:
            state = path.lstat()
            if not stat.S_ISREG(state.st_mode):
                return "replaced by something that is not a file"
            same = disk.sha256(path) == record.sha256
        except OSError as error:
            return "deleted" if error.errno == errno.ENOENT else "made unreadable"
        if not same:
            return "edited"
        mode = stat.S_IMODE(state.st_mode)
        if mode != record.mode:
            return f"given mode {mode:04o} instead of {record.mode:04o}"
        group = self.accounts.group_id(record.group)
        if state.st_gid != (os.getegid() if group is None else group):
            return f"given to another group than {record.group or 'root'}"
        return None

    def set_aside(self, tampering: Iterable[Tampering]) -> Path | None:
        """Keep hand-made changes where nothing loads them; the directory, if anything was kept."""
        changed = [item.file for item in tampering if item.file.is_symlink() or item.file.is_file()]
        if not changed:
            return None
        directory = self.set_aside_directory()
        for file in changed:
            name = file.relative_to(self.paths.root)
            target = directory / str(name).replace("/", "_")
            try:
                if file.is_symlink():
                    target.symlink_to(file.readlink())
                    continue
                # Who may change Synapse's directory may have put anything there.
                synapses = file.is_relative_to(self.paths.synapse)
                user = SYNAPSE_USER if synapses else "root"
                content = untrusted_files.content(self.paths, file, user)
                disk.write_new(target, content or b"", 0o600)
            except (HostError, OSError) as error:
                why = error.strerror if isinstance(error, OSError) else error.problems[0].what
                raise HostError(
                    Problem(
                        str(file),
                        f"was changed by hand and cannot be kept aside ({why})",
                        "save your change somewhere else, delete the file, and run"
                        " `altpeter-matrix apply` again",
                    )
                ) from error
        return directory

    def set_aside_unknown(self) -> Path | None:
        """Keep the whole current generation when its record does not tell what it should be.

        The record is lost, or a later version of this package wrote it: an edit would not show.
        """
        number = self.current_number()
        if number is None or self.load(number) is not None:
            return None
        origin = self.paths.generations / str(number)
        if not origin.is_dir():
            return None
        kept = self.set_aside_directory() / f"generation-{number}"
        shutil.copytree(origin, kept, symlinks=True)
        return kept

    def set_aside_directory(self) -> Path:
        disk.ensure_directory(self.paths.replaced, 0o700)
        return disk.dated_directory(self.paths.replaced)

    def remove(self, number: int) -> None:
        if number == self.current_number():
            raise ValueError(f"generation {number} is in use")
        shutil.rmtree(self.paths.generations / str(number), ignore_errors=True)

    def tidy(self) -> None:
        """Remove what killed runs left, and all but the last generations."""
        if not self.paths.generations.is_dir():
            return
        for leftover in [
            *self.paths.generations.glob(".candidate-*"),
            *disk.abandoned(self.paths.state),
            *disk.abandoned(self.paths.runtime),
        ]:
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
        current = self.current_number()
        if current is None:
            return
        others = [number for number in self.numbers() if number != current]
        for number in others[:-KEPT]:
            self.remove(number)
