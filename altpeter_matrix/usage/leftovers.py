"""What killed programs of ours have left below our own directories.

Each is removed by the next run of the same program as well; there may be none for months.
"""

import time
from collections.abc import Iterator

from ..apply.generations import Store
from ..apt import candidates
from ..base import locks
from ..base.accounts import read_accounts
from ..base.errors import HostError
from ..base.paths import Paths
from .reclaimed import Given
from .trees import measure

_COUNTING = 60.0
_WORTH = 1024**2


def remove(paths: Paths) -> Iterator[Given]:
    """Old generations, candidates, temporary files; not beside a program that may need them."""
    before = _size(paths)
    try:
        with locks.locked(paths, locks.UPGRADE_CHECK, 0):
            candidates.tidy(paths)
        with locks.exclusive(paths, 0):
            Store(paths, read_accounts(paths.root)).tidy()
    except HostError:
        pass  # the one that is at work does it
    given = Given("leftovers", "what interrupted programs of ours have left", before, _size(paths))
    if given.size >= _WORTH:
        yield given


def _size(paths: Paths) -> int:
    found = measure(paths.state, time.monotonic() + _COUNTING)
    return found.size if found else 0
