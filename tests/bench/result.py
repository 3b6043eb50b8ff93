"""What was measured, whether it keeps its limit, and how that is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """Two ways to do the same thing, each timed several times."""

    name: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    limit: float | None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return median(self.ours) / median(self.theirs)

    @property
    def ok(self) -> bool:
        return self.limit is None or self.ratio <= self.limit

    def row(self) -> tuple[str, ...]:
        return (
            self.name,
            f"{median(self.ours):.2f} {self.unit}",
            f"{median(self.theirs):.2f} {self.unit}",
            f"{self.ratio:.2f}",
            "" if self.limit is None else f"{self.limit:.2f}",
            "" if self.limit is None else _verdict(self.ok),
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": list(self.ours),
            "theirs": list(self.theirs),
            "ratio": self.ratio,
            "limit": self.limit,
            "ok": self.ok,
        }


@dataclass(frozen=True)
class PairedComparison(Comparison):
    """Two ways that took turns, each `ours` right beside its `theirs`.

    What else the machine does lasts longer than a turn, so it touches both of a pair.
    """

    @property
    def ratio(self) -> float:
        return median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))


@dataclass(frozen=True)
class Count:
    """Something counted, the worst of several runs; no limit: for information."""

    name: str
    ours: tuple[float, ...]
    limit: float | None = None
    theirs: tuple[float, ...] = ()
    unit: str = ""

    @property
    def ok(self) -> bool:
        return self.limit is None or max(self.ours) <= self.limit

    def row(self) -> tuple[str, ...]:
        limit = "" if self.limit is None else str(self.limit)
        verdict = "" if self.limit is None else _verdict(self.ok)
        theirs = self._worst(self.theirs) if self.theirs else ""
        return (self.name, self._worst(self.ours), theirs, "", limit, verdict)

    def _worst(self, values: tuple[float, ...]) -> str:
        return f"{max(values):.1f} {self.unit}" if self.unit else f"{max(values):.0f}"

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": list(self.ours),
            "theirs": list(self.theirs),
            "limit": self.limit,
            "ok": self.ok,
        }


Result = Comparison | Count
HEADER = ("what", "ours", "theirs", "ratio", "limit", "")


def table(results: Sequence[Result]) -> str:
    """A table in Markdown, aligned so that it also reads well on a terminal."""
    rows = [HEADER, *(result.row() for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(HEADER), line(rule), *map(line, rows[1:])])


def _verdict(ok: bool) -> str:
    return "ok" if ok else "MISSED"
