"""What was given back, and when: written by reclaiming.py, shown by `usage`, told by `status`.

/var/lib/altpeter-matrix/reclaimed.json, the newest run last.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..base.errors import Problem
from ..base.paths import Paths
from ..base.state_file import StateFile, known_fields

MOST = 200


@dataclass(frozen=True)
class Given:
    """what: in a person's words; key: the same in every version, for an index with its name.
    Sizes in bytes; count: of rows, where no size is known."""

    key: str
    what: str
    before: int = 0
    after: int = 0
    count: int = 0

    @property
    def size(self) -> int:
        return max(0, self.before - self.after)


@dataclass(frozen=True)
class Run:
    """time: UTC, when it began. problems: what failed, each in its three texts.
    left: why it ended before all was done; nothing where it did not."""

    time: str
    seconds: float = 0
    given: tuple[Given, ...] = ()
    problems: tuple[tuple[str, str, str], ...] = ()
    left: str = ""

    @property
    def size(self) -> int:
        """Bytes that were given back."""
        return sum(one.size for one in self.given)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "size": self.size}


def read(paths: Paths) -> tuple[Run, ...]:
    """All runs that are known, the newest last."""
    return _FILE.read(paths.reclaimed)


def add(paths: Paths, run: Run) -> None:
    kept = (*read(paths), run)[-MOST:]
    _FILE.write(paths.reclaimed, {"runs": [asdict(one) for one in kept]})


def failures(paths: Paths) -> Iterator[Problem]:
    """What failed in the last run."""
    for run in read(paths)[-1:]:
        for where, what, remedy in run.problems:
            yield Problem(where, what, remedy)


def _parse(raw: Mapping[str, Any]) -> tuple[Run, ...]:
    return tuple(_run(one) for one in raw["runs"])


def _run(raw: Mapping[str, Any]) -> Run:
    fields = known_fields(Run, raw)
    fields["given"] = tuple(Given(**known_fields(Given, one)) for one in raw.get("given", ()))
    fields["problems"] = tuple(
        (str(where), str(what), str(remedy)) for where, what, remedy in raw.get("problems", ())
    )
    return Run(**fields)


_FILE: StateFile[tuple[Run, ...]] = StateFile(_parse, missing=())
