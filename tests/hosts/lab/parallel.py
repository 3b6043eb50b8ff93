"""Several pieces of work at the same time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


def side_by_side(*works: Callable[[], object]) -> None:
    """Do all of it at once; the first failure is raised, without waiting for the rest.

    An interrupted process does not wait either, as it would for a pool of threads; the programs
    that they run die with it (`commands.CONTAINED`).
    """
    ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def do(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            ended.put(error)
        else:
            ended.put(None)

    for work in works:
        threading.Thread(target=do, args=[work], daemon=True).start()
    for _ in works:
        failure = ended.get()
        if failure is not None:
            raise failure
