"""The pages that show what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from tests.hosts.lab.layout import ROOT

from .result import Result, table

BEGIN = "<!-- make bench: begin -->"
END = "<!-- make bench: end -->"
ALL = ROOT / "docs" / "performance.md"
RESTARTS = ROOT / "README.md"


def publish(results: Sequence[Result]) -> None:
    """Put all results into docs/performance.md, and those of the restarts into README.md."""
    for page, shown in ((ALL, results), (RESTARTS, [r for r in results if "restarts" in r.name])):
        page.write_text(replaced(page.read_text(), table(shown)))


def replaced(page: str, shown: str) -> str:
    """The page with another table between the two marks. Raises ValueError where they are not."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the marks {BEGIN} and {END} are missing")
    return f"{before}{BEGIN}\n\n{shown}\n\n{END}{after}"
