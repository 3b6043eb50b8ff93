"""The table of all cells at the end of the test run, and in a file.

What a run showed travels with the report of its test: in a divided run (pytest-xdist) the tests are
in other processes than the terminal, and reports are what gets across.
"""

from pathlib import Path

import pytest

from tests.hosts.deployments import TOP

from .cells import Run
from .outcome import Outcome, dump, load, table

PROPERTY = "upgrade"
TABLE: Path = TOP / "build/upgrades.txt"


def note(node: pytest.Item, run: Run, outcome: Outcome) -> None:
    """Have the table show it."""
    node.user_properties.append((PROPERTY, dump(run, outcome)))


class Report:
    """A plugin of the process that has the terminal."""

    def __init__(self) -> None:
        self.outcomes: dict[Run, Outcome] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            noted = (str(text) for name, text in report.user_properties if name == PROPERTY)
            self.outcomes.update(map(load, noted))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.outcomes:
            return
        text = table(self.outcomes)
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(f"{text}\n")
        terminalreporter.section("upgrades")
        terminalreporter.write_line(text)
