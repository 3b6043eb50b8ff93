"""What `altpeter-matrix usage` tells: disks, what is on them, and what could be given back."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..base.errors import Problem


@dataclass(frozen=True)
class FileSystem:
    """A file system that holds something of this server. Sizes in bytes.

    free: for programs that are not root, so less than what is not used (mke2fs(8), -m).
    inodes: 0 where a file system makes them as it needs them.
    holds: what of ours is on it.
    """

    mount: str
    size: int
    used: int
    free: int
    inodes: int
    inodes_used: int
    holds: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """How full it is for a program that is not root, 0 to 1, as df(1) says it."""
        return self.used / (self.used + self.free) if self.used + self.free else 0.0

    @property
    def inode_share(self) -> float:
        return self.inodes_used / self.inodes if self.inodes else 0.0


@dataclass(frozen=True)
class Part:
    """Something that takes room.

    key: what samples and JSON call it, the same in every version.
    size: bytes on the disk. whole: False when time was over before all of it was looked at.
    """

    key: str
    title: str
    size: int
    whole: bool = True
    inside: tuple["Part", ...] = ()

    def all(self) -> Iterator["Part"]:
        """It and all that is inside."""
        yield self
        for part in self.inside:
            yield from part.all()


@dataclass(frozen=True)
class Table:
    """A table of Synapse's database. Sizes in bytes.

    size: with its indexes. rows, dead: PostgreSQL's own estimates; dead ones are removed already,
    and their room is not free yet.
    unfilled: about how much of it no row fills; None: PostgreSQL has not looked at it yet.
    """

    name: str
    subject: str
    size: int
    indexes: int
    rows: int
    dead: int
    unfilled: int | None


@dataclass(frozen=True)
class Room:
    """size: bytes in the database, as PostgreSQL's samples of the tables suggest."""

    room: str
    size: int


@dataclass(frozen=True)
class Usage:
    """All that was found. problems: what could not be asked; notes: what was left out, and why.

    wasted_by_indexes: bytes that would be free if those that are worth it were rebuilt.
    """

    taken: str  # UTC
    file_systems: tuple[FileSystem, ...] = ()
    parts: tuple[Part, ...] = ()
    tables: tuple[Table, ...] = ()
    rooms: tuple[Room, ...] = ()
    wasted_by_indexes: int = 0
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def part(self, key: str) -> Part | None:
        """The part of that key, wherever it is."""
        every = (one for part in self.parts for one in part.all())
        return next((one for one in every if one.key == key), None)
