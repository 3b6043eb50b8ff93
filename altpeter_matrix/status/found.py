"""What a check yields."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..base import errors
from ..base.errors import Problem


@dataclass(frozen=True)
class Found:
    """A fault that is there. values: what its texts name; problem: instead, in other words."""

    id: str
    values: tuple[tuple[str, str], ...] = ()
    problem: Problem | None = None


def found(fault: str, /, **values: object) -> Found:
    """A fault of the catalogue, with the values of its texts.

    None of them may be another one at each look (an age, a number that counts up): only what
    changes is told. Say which bound was passed instead.
    """
    return Found(fault, tuple((name, str(value)) for name, value in values.items()))


def in_own_words(fault: str, problems: Problem | Iterable[Problem]) -> Iterator[Found]:
    """Problems that another part of this package found, as faults of the catalogue."""
    for one in (problems,) if isinstance(problems, Problem) else problems:
        yield Found(fault, problem=one)


def by_their_ids(objections: Iterable[errors.Objection]) -> Iterator[Found]:
    """Objections that know which fault they are."""
    for one in objections:
        yield Found(one.fault, problem=one.problem)
