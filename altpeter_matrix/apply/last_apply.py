"""How the last apply ended: for `status`, for the fast path, and for going back."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..base import disk
from ..base.errors import Problem
from ..base.paths import Paths
from ..base.timestamps import now

FORMAT = 1


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
    fields: frozenset[str] = field(default=frozenset(Outcome.__dataclass_fields__))

    def read(self) -> Outcome:
        try:
            data: dict[str, Any] = json.loads(self.paths.outcome.read_bytes())
            known = {key: value for key, value in data.items() if key in self.fields}
            known["problems"] = tuple(Problem(**one) for one in known.get("problems", ()))
            known["watched"] = tuple(known.get("watched", ()))
            return Outcome(**known)
        except (OSError, ValueError, TypeError, AttributeError):
            return Outcome()  # missing, damaged, or of a later version of this package

    def write(self, outcome: Outcome) -> None:
        disk.ensure_directory(self.paths.state, 0o755)
        text = json.dumps({"format": FORMAT, **asdict(outcome)}, indent=2, sort_keys=True)
        # Root's alone: it repeats what other programs said.
        disk.replace(self.paths.outcome, f"{text}\n".encode(), 0o600)
