"""A view in which answers are given, for checks of what runs on a host."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from altpeter_matrix.apply.activation import Host
from altpeter_matrix.apply.services import Services
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.status.view import View

T = TypeVar("T")


class Given(View):
    """answers: what each look returns, or raises."""

    def __init__(self, answers: Mapping[Any, Any], root: Path = Path("/nonexistent")) -> None:
        paths = Paths(root)
        super().__init__(Host(paths, Services(paths)))
        self.answers = answers

    def shared(self, look: Callable[[View], T]) -> T:
        answer = self.answers[look]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


def ids(check: Callable[[View], Any], answers: Mapping[Any, Any]) -> list[str]:
    """The faults that a check finds, given the answers."""
    return [one.id for one in check(Given(answers))]
