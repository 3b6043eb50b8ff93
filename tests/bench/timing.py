"""Timing things, and the order in which two of them take turns."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import cycle

Measure = Callable[[], float]


def seconds(action: Callable[[], object]) -> float:
    """How long an action took, by the clock on the wall."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def alternately(
    name: str, pairs: int, ours: Measure, theirs: Measure, *, ours_first: bool = True
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Measure each `pairs` times: ours, theirs, theirs, ours, ours, theirs, …

    Whatever drifts in the meantime, a cache or another load, so touches both alike.
    """
    measured: dict[str, list[float]] = {"ours": [], "theirs": []}
    orders = cycle([("ours", "theirs"), ("theirs", "ours")])
    if not ours_first:
        next(orders)
    for number, order in zip(range(1, pairs + 1), orders, strict=False):
        for side in order:
            took = (ours if side == "ours" else theirs)()
            measured[side].append(took)
            say(f"{name} {number}/{pairs} {side}: {took:.2f} s")
    return tuple(measured["ours"]), tuple(measured["theirs"])


def say(line: str) -> None:
    """Tell somebody who waits how far the bench is."""
    print(f"[bench] {line}", file=sys.stderr, flush=True)
