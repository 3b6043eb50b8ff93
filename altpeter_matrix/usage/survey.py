"""Looking at everything that takes room. What cannot be looked at is said, the rest is shown."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..apply.prepared import read_settings
from ..base import timestamps, untrusted_files
from ..base.errors import MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..postgresql.cluster_list import ClusterList
from ..postgresql.upgrade_journal import Journal, Phase
from ..synapse import config_files
from . import bloat, database, media
from .file_systems import Look, look, merged
from .model import Part, Room, Table, Usage
from .trees import Tree, measure

# How long a person waits for what is slow, and how long the daily sample has; four are counted.
PAGE, SAMPLE = 5.0, 1200.0
# Made by this package, and by a program of the administrator's.
BACKUP, OTHER_BACKUP = "own-backup", "backup"
# Parts that giving_back.py knows.
APT, JOURNAL, OLD_CLUSTER, REPLACED = "apt-cache", "journal", "old-cluster", "replaced"


def survey(paths: Paths, seconds: float = PAGE) -> Usage:
    """What takes room on this host. seconds: for each of the parts whose files are counted."""
    work = _Survey(paths, seconds)
    for one in (work.database, work.media, work.files, work.backup, work.old_cluster):
        work.guarded(one)
    return Usage(
        taken=timestamps.now(),
        file_systems=merged(work.looks()),
        parts=tuple(sorted(work.parts, key=lambda part: part.size, reverse=True)),
        tables=work.tables,
        rooms=work.rooms,
        wasted_by_indexes=work.wasted,
        problems=tuple(dict.fromkeys(work.problems)),
        notes=tuple(work.notes),
    )


@dataclass
class _Survey:
    paths: Paths
    seconds: float
    until: float = 0.0  # time.monotonic(), of what is counted just now
    parts: list[Part] = field(default_factory=list)
    tables: tuple[Table, ...] = ()
    rooms: tuple[Room, ...] = ()
    wasted: int = 0
    media_looks: tuple[Look, ...] = ()
    backup_places: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def guarded(self, work: Callable[[], None]) -> None:
        self.until = time.monotonic() + self.seconds
        try:
            work()
        except (MatrixConfigError, OSError) as error:
            self.problems += problems_of(error)

    def looks(self) -> Iterator[tuple[str, Look | None]]:
        """What is where: at each file system that holds something of ours."""
        yield "system", look(self.paths.root)
        yield "logs", look(self.paths.on_host("/var/log"))
        yield "altpeter-matrix", look(self.paths.state)
        for place in database.data_directories(self.paths):
            data, log = look(place), look(place / "pg_wal")
            yield "database", data
            if data is not None and log is not None and log["device"] != data["device"]:
                yield "write-ahead log", log
        yield from (("media", one) for one in self.media_looks)
        yield from (("backups", look(self.paths.on_host(one))) for one in self.backup_places)

    def database(self) -> None:
        name = config_files.database_of(self.paths)
        if name is None:
            self.notes.append("Synapse's database is not in a PostgreSQL of this host.")
            return
        size = database.size(name)
        # One that is locked for long must not hide the others.
        self.guarded(lambda: self._tables(name))
        self.parts.append(database.part(size, self.tables))
        self.guarded(lambda: self.parts.extend(database.of_cluster(name)))

    def _tables(self, name: str) -> None:
        self.tables = database.tables(name)
        self.rooms = database.rooms(name)
        self.wasted = sum(one.wasted for one in bloat.indexes(name))

    def media(self) -> None:
        found = media.look_at(self.paths, self.seconds)
        self.media_looks = found.looks
        self.parts.append(found.part)

    def files(self) -> None:
        """What is the system's and ours."""
        logs = self.paths.on_host("/var/log")
        kinds = ((JOURNAL, "journal", "journal"), ("logs-nginx", "nginx", "nginx"),
                 ("logs-postgresql", "PostgreSQL", "postgresql"))  # fmt: skip
        self._directory("logs", "logs", logs, kinds, "logs-other")
        ours = (("generations", "generations", "generations"),
                ("packages", "packages to go back to", "packages"),
                ("candidate", "a candidate that is being checked", "candidate"),
                (REPLACED, "what was changed by hand", "replaced"),
                ("adopted", "what was there before the adoption", "adopted"))  # fmt: skip
        self._directory("ours", "altpeter-matrix", self.paths.state, ours, "ours-other")
        cache = self._tree(self.paths.on_host("/var/cache/apt/archives"))
        self._add(APT, "packages that apt has downloaded", cache)

    def _directory(
        self, key: str, title: str, place: Path, kinds: tuple[tuple[str, str, str], ...], other: str
    ) -> None:
        """A directory as a part, and what is known in it inside."""
        trees = [(key, title, self._tree(place / name)) for key, title, name in kinds]
        whole = self._tree(place)
        inside = [
            Part(inner, text, tree.size, tree.whole)
            for inner, text, tree in trees if tree is not None and tree.size
        ]  # fmt: skip
        rest = (whole.size if whole else 0) - sum(one.size for one in inside)
        inside += [Part(other, "other", rest)] if rest > 0 and inside else []
        if whole is not None:
            inside.sort(key=lambda one: one.size, reverse=True)
            self.parts.append(Part(key, title, whole.size, whole.whole, tuple(inside)))

    def backup(self) -> None:
        settings = read_settings(self.paths)
        places = {OTHER_BACKUP: settings.updates.backup}
        if settings.backup is not None and settings.backup.to.directory is not None:
            places[BACKUP] = Path(settings.backup.to.directory)
        for key, place in places.items():
            if place is not None and place not in self.backup_places:
                self.backup_places.append(place)
                on_host = self.paths.on_host(place)
                self._add(key, f"backups in {place}", self._tree(on_host))

    def old_cluster(self) -> None:
        """The cluster that a move to a newer PostgreSQL has left, until it is finished."""
        move = Journal(self.paths).read()
        if move is None or move.phase not in {Phase.MOVED, Phase.UNDONE}:
            return
        version = move.old if move.phase is Phase.MOVED else move.new
        cluster = ClusterList(self.paths).find(version, move.name)
        if cluster is None:
            return
        # Its directories belong to PostgreSQL's user.
        until = self.until
        found = untrusted_files.as_user(
            self.paths, lambda: _plain(measure(cluster.data, until)), "postgres", self.seconds + 5
        )
        title = f"PostgreSQL {cluster}, which does not serve any more"
        self._add(OLD_CLUSTER, title, Tree(*found) if found else None)

    def _tree(self, place: Path) -> Tree | None:
        return measure(place, self.until)

    def _add(self, key: str, title: str, tree: Tree | None) -> None:
        if tree is not None and tree.size:
            self.parts.append(Part(key, title, tree.size, tree.whole))


def _plain(tree: Tree | None) -> list[int | bool] | None:
    return None if tree is None else [tree.size, tree.whole]
