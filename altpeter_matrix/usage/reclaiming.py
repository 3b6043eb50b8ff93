"""`altpeter-matrix usage reclaim`: what nobody needs is given back, bounded, and told.

Whatever it does to the database, it does as Synapse's role and without a lock that keeps Synapse
from reading or writing. It can be killed at any time: an index that a rebuild has left half made is
removed by the next run, and the old one serves until the new one is whole.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..apply.prepared import read_settings
from ..base import locks, timestamps
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.signals import termination_as_exception
from ..postgresql.connection import (
    Limits,
    Statement,
    cancel_upkeep,
    number,
    said,
    upkeep_as_synapse,
)
from ..settings.model import Reclaim
from ..synapse import config_files
from . import bloat, database, leftovers, reclaimed
from .bloat import Index, Name, Uncleaned, Unfinished
from .giving_way import Busy, Watch, giving_way
from .reclaimed import Given, Run

_MIB = 1024**2
_DAY = 86400.0
# A rebuilt index is left alone for so long: if it is as large again, that is its size.
_AGAIN = 30 * _DAY
# For a transaction of others that the new index has to wait for; it keeps nobody waiting.
_LOCK = 300.0
_LEAST_TIME = 30.0
# Beside the new index and the log of it, which takes as much.
_SPARE = 512 * _MIB
_AGAIN_REMEDY = "`altpeter-matrix usage reclaim` tries it again"
# Logins of users that are no more: Synapse removes them with the user, if it is not interrupted.
# Not those that have expired, which Synapse answers in another way than those that are unknown.
_TOKENS = Statement("""
    with gone as (
        delete from access_tokens where id in (
            select t.id from access_tokens t left join users u on u.name = t.user_id
            where u.name is null or u.deactivated = 1 limit 10000
        ) returning 1
    ) select count(*) from gone
""")


@dataclass(frozen=True)
class Plan:
    """What is there to be done, as far as one can see before. notes: what is left, and why."""

    unfinished: tuple[Unfinished, ...] = ()
    uncleaned: tuple[Uncleaned, ...] = ()
    indexes: tuple[Index, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class Reclaiming:
    """On this host, as its settings say. busy: what it must not run beside. say: told each step."""

    paths: Paths
    busy: Busy
    say: Callable[[str], None] = lambda _: None
    given: list[Given] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings: Reclaim = read_settings(self.paths).reclaim
        self.watch = Watch(self.busy)
        self.until = time.monotonic() + 60 * self.settings.minutes
        self.left = ""

    def plan(self) -> Plan:
        """What `now` would do. HostError when PostgreSQL does not say."""
        name = config_files.database_of(self.paths)
        if name is None:
            return Plan(notes=("Synapse's database is not in a PostgreSQL of this host.",))
        chosen, notes = self._chosen(bloat.indexes(name))
        return Plan(bloat.unfinished(name), bloat.uncleaned(name), chosen, tuple(notes))

    def when_due(self) -> Run | None:
        """What the timer asks for: None when it is switched off, or something else is at work."""
        if not self.settings.enabled or self.watch.look():
            return None
        return self._locked(automatic=True)

    def now(self) -> Run:
        """HostError when something else is at work. What fails is in the answer."""
        if self.watch.look():
            raise HostError(
                Problem("altpeter-matrix usage reclaim", f"does not run beside {self.watch.seen}",
                        "run it again when that has ended")
            )  # fmt: skip
        return self._locked(automatic=False)

    def _locked(self, *, automatic: bool) -> Run:
        with locks.locked(self.paths, locks.RECLAIM, 5), termination_as_exception():
            began, clock = timestamps.now(), time.monotonic()
            for work in (self._files, lambda: self._database(automatic)):
                with self._noting():
                    work()
            run = Run(
                began, time.monotonic() - clock, tuple(self.given),
                tuple((one.where, one.what, one.remedy) for one in self.problems), self.left,
            )  # fmt: skip
            reclaimed.add(self.paths, run)
            return run

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """What fails in here is noted, unless it was ended for something else."""
        try:
            yield
        except (MatrixConfigError, OSError) as error:
            if not self.watch.seen:
                self.problems += problems_of(error)

    def _files(self) -> None:
        self.say("Removing what interrupted programs have left.")
        self.given += leftovers.remove(self.paths)

    def _database(self, automatic: bool) -> None:
        name = config_files.database_of(self.paths)
        if name is None:
            return
        # What a killed run has begun; there is no other now.
        if cancel_upkeep(name):
            time.sleep(2)
        with giving_way(name, self.watch):
            with self._noting():
                self._tokens(name)
            for table in bloat.uncleaned(name):
                if self._goes_on():
                    with self._noting():
                        self._clean_up(name, table)
            if self._goes_on() and not bloat.index_is_being_made(name):
                self._drop_unfinished(name)
                self._rebuild_all(name, automatic)
        if self.watch.seen:
            self.left = f"{self.watch.seen} began"

    def _tokens(self, name: str) -> None:
        rows = upkeep_as_synapse(name, _TOKENS, limits=Limits(30, lock=10), own_path=True)
        if gone := number(rows):
            self.given.append(Given("tokens", "logins of users that are no more", count=gone))

    def _clean_up(self, name: str, table: Uncleaned) -> None:
        shown = said(table.name[1])
        self.say(f"Cleaning up table {shown}.")
        self._execute(name, "vacuum (analyze) {}.{}", table.name)
        after = bloat.size_of_table(name, table.name)
        self.given.append(Given(f"table:{shown}", f"table {shown}", table.size, after))

    def _drop_unfinished(self, name: str) -> None:
        for one in bloat.unfinished(name):
            if self._goes_on():
                what = f"index {said(one.name[1])}, half made"
                self.say(f"Removing {what}.")
                with self._noting():
                    self._execute(name, "drop index concurrently if exists {}.{}", one.name)
                    self.given.append(Given("half-made", what, one.size))

    def _rebuild_all(self, name: str, automatic: bool) -> None:
        found = bloat.indexes(name)
        if automatic:
            recent = self._recent()
            found = tuple(one for one in found if _key(one) not in recent)
        chosen, notes = self._chosen(found)
        self.left = " ".join(notes)
        for index in chosen:
            if self._goes_on():
                with self._noting():
                    self._rebuild(name, index)

    def _rebuild(self, name: str, index: Index) -> None:
        key, what = _key(index), f"index {said(index.name[1])}"
        self.say(f"Rebuilding {what}.")
        try:
            self._execute(name, "reindex index concurrently {}.{}", index.name)
        except HostError:
            if not self.watch.seen:
                # Not each night anew.
                self.given.append(Given(key, what, index.size, index.size))
                self._drop_unfinished(name)
            raise
        after = bloat.size_of_index(name, index.name)
        self.given.append(Given(key, what, index.size, after))

    def _chosen(self, found: tuple[Index, ...]) -> tuple[tuple[Index, ...], list[str]]:
        """Those that there is room for, on the disk and in what the settings allow."""
        chosen: list[Index] = []
        notes: list[str] = []
        most, free = self.settings.gigabytes * 1024 * _MIB, _free(self.paths)
        for one in found:
            shown = said(one.name[1])
            if one.expected > most:
                notes.append(f"Index {shown} is left: reclaim.gigabytes ends before it.")
            elif 2 * one.expected + _SPARE > free:
                notes.append(f"Index {shown} is left: the disk has no room for a new one.")
            else:
                most -= one.expected
                chosen.append(one)
        return tuple(chosen), notes

    def _recent(self) -> set[str]:
        """The keys of what was rebuilt not long ago."""
        since = time.time() - _AGAIN
        runs = (one for one in reclaimed.read(self.paths) if timestamps.epoch(one.time) > since)
        return {one.key for run in runs for one in run.given}

    def _goes_on(self) -> bool:
        if self.watch.look():
            return False
        if self.until - time.monotonic() < _LEAST_TIME:
            self.left = f"The {self.settings.minutes} minutes of reclaim.minutes were over."
            return False
        return True

    def _execute(self, database_name: str, sql: str, name: Name) -> None:
        """HostError says with what it failed."""
        limits = Limits(self.until - time.monotonic(), lock=_LOCK)
        try:
            upkeep_as_synapse(database_name, Statement(sql, (), name), limits=limits)
        except HostError as error:
            [problem] = error.problems
            action = sql.partition(" {}")[0]
            raise HostError(
                Problem(f"{problem.where}: {action} {said(name[1])}", problem.what, _AGAIN_REMEDY)
            ) from None


def _key(index: Index) -> str:
    return f"index:{said(index.name[1])}"


def _free(paths: Paths) -> int:
    """Bytes on the disk with the data of PostgreSQL; as if there were none where it is unknown."""
    places = database.data_directories(paths)
    try:
        states = [os.statvfs(place) for place in map(Path, places)]
    except OSError:
        return 0
    return min((one.f_bavail * one.f_frsize for one in states), default=0)
