"""What `altpeter-matrix database upgrade` is about to do: for the run after one that was killed."""

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from ..base import disk, timestamps
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.resources import document
from ..base.state_file import StateFile


class Phase(StrEnum):
    MOVING = "moving"  # Synapse stands still; the new cluster may be half there
    STARTING = "starting"  # the copy is proved; Synapse may have begun to write to it
    MOVED = "moved"  # the new cluster serves, the old one is kept
    RETURNING = "returning"  # back to the old cluster; Synapse stands still
    UNDONE = "undone"  # the old cluster serves again, the new one is kept
    FINISHING = "finishing"  # the one that does not serve is being removed


# Synapse must not start: it would write to a cluster that may be given up.
STANDSTILL = frozenset({Phase.MOVING, Phase.RETURNING})
_REMEDIES = {
    Phase.MOVING: "`altpeter-matrix database upgrade --undo` brings the old database back",
    Phase.RETURNING: "`altpeter-matrix database upgrade --undo` completes the way back",
    Phase.STARTING: "run `altpeter-matrix database upgrade` again, it completes the upgrade",
    Phase.FINISHING: "run `altpeter-matrix database upgrade --finish` again",
}


@dataclass(frozen=True)
class Move:
    """A move from one cluster to another of a newer version, on the same port."""

    phase: Phase
    old: int
    new: int
    name: str
    port: int
    start_mode: str  # the old cluster's start.conf
    synapse_ran: bool
    newest_event: int = 0  # in the old cluster, when Synapse stopped for the move
    keep_new: bool = False  # on the way back: it may hold what came since
    time: str = ""

    def now(self, phase: Phase) -> "Move":
        return replace(self, phase=phase, time=timestamps.now())

    @property
    def old_cluster(self) -> str:
        return f"{self.old}/{self.name}"

    @property
    def new_cluster(self) -> str:
        return f"{self.new}/{self.name}"


@dataclass(frozen=True)
class Journal:
    paths: Paths

    def read(self) -> Move | None:
        """The move that was begun or made; None: none."""
        return _FILE.read(self.paths.database_move)

    def write(self, move: Move) -> None:
        """Note a phase, before its first step. Synapse is held back for as long as it has to be."""
        _FILE.write(self.paths.database_move, asdict(move))
        if move.phase in STANDSTILL:
            disk.replace(self.paths.database_standstill, b"", 0o644)
        else:
            self.release_synapse()

    def clear(self) -> None:
        self.release_synapse()
        self.paths.database_move.unlink(missing_ok=True)
        disk.synchronise_directory(self.paths.state)

    def release_synapse(self) -> None:
        """The matrix-synapse unit has a condition on this file."""
        self.paths.database_standstill.unlink(missing_ok=True)


def _parse(raw: dict[str, Any]) -> Move | None:
    fields = {key: value for key, value in raw.items() if key != "format"}
    return Move(**{**fields, "phase": Phase(raw["phase"])})


def _unreadable(path: Path) -> NoReturn:
    raise HostError(
        Problem(
            str(path),
            "cannot be read, so nobody knows which cluster is to serve",
            f"look at `pg_lsclusters`, see {document('upgrades.md')}, then remove this file",
        )
    )


_FILE = StateFile(_parse, missing=None, damaged=_unreadable, exact=True)


def interruption(paths: Paths) -> Problem | None:
    """That a move was interrupted, or is going on; None when none was."""
    move = Journal(paths).read()
    if move is None or move.phase not in _REMEDIES:
        return None
    return Problem(
        "PostgreSQL",
        f"the move from {move.old_cluster} to {move.new_cluster} was interrupted (it was"
        f" {move.phase}), unless it is going on right now",
        _REMEDIES[move.phase],
    )
