"""The times in our records: UTC, to the second, as in 2026-01-31T12:00:00Z."""

import time


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
