"""What the checks of one run look at together: each thing is asked once, by whoever comes first."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar, cast

from ..apply.activation import Host
from ..base.paths import Paths

T = TypeVar("T")


class View:
    """A host for the length of a run."""

    def __init__(self, host: Host, *, daily: bool = False) -> None:
        self.host = host
        self.daily = daily
        self.paths: Paths = host.paths
        self._shared: dict[Any, Future[Any]] = {}
        self._lock = threading.Lock()

    @property
    def live(self) -> bool:
        """Whether this is the host that we run on."""
        return self.paths.root == Path("/")

    def shared(self, look: "Callable[[View], T]") -> T:
        """What `look` returns, or raises, for this run. Others wait for the one that asks."""
        with self._lock:
            first = look not in self._shared
            answer: Future[Any] = self._shared.setdefault(look, Future())
        if first:
            try:
                answer.set_result(look(self))
            except BaseException as error:
                answer.set_exception(error)
        return cast(T, answer.result())

    def known(self, look: "Callable[[View], T]") -> T | None:
        """The same where it was asked already, and is known; nobody waits."""
        answer = self._shared.get(look)
        if answer is None or not answer.done() or answer.exception() is not None:
            return None
        return cast(T, answer.result())
