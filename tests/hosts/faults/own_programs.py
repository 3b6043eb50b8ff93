"""Programs of this package that should have ended."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {}
NOT_MADE: Mapping[str, str] = {
    "lock-held": "unit/base/test_locks.py: who holds a lock for too long",
    "own-program-stuck": "none of them hangs for less than the three minutes that systemd gives it",
}
