"""How the last apply ended: for `status`, for the fast path, and for going back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..base import disk
from ..base.errors import Problem
from ..base.paths import Paths
from ..base.state_file import StateFile, known_fields
from ..base.timestamps import now


@dataclass(frozen=True)
class Outcome:
    """The content of status.json."""

    ok: bool = False
    time: str = ""
    generation: int | None = None  # the last one that was seen healthy
    inputs: str = ""  # what it was made from; empty: unknown
    watched: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    # What the administrator had written when a generation was given up: a package's maintainer
    # script must not try the same again at each upgrade.
    held: str = ""
    held_because: str = ""

    def failed(self, problems: Sequence[Problem]) -> "Outcome":
        return replace(self, ok=False, time=now(), problems=tuple(problems))

    def succeeded(self, generation: int, inputs: str, watched: Sequence[str]) -> "Outcome":
        return Outcome(True, now(), generation, inputs, tuple(watched))


@dataclass(frozen=True)
class Record:
    """Reads and writes status.json."""

    paths: Paths

    def read(self) -> Outcome:
        return _FILE.read(self.paths.outcome)

    def write(self, outcome: Outcome) -> None:
        disk.ensure_directory(self.paths.state, 0o755)
        _FILE.write(self.paths.outcome, asdict(outcome))


def _parse(raw: Mapping[str, Any]) -> Outcome:
    known = known_fields(Outcome, raw)
    known["problems"] = tuple(Problem(**one) for one in known.get("problems", ()))
    known["watched"] = tuple(known.get("watched", ()))
    return Outcome(**known)


_FILE = StateFile(_parse, missing=Outcome())
