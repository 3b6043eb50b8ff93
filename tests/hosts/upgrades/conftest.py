"""The table of all cells at the end of the test run, and in a file."""

from pathlib import Path

import pytest

from tests.hosts.deployments import TOP

from .cells import Run
from .outcome import Outcome, table

OUTCOMES = pytest.StashKey[dict[Run, Outcome]]()
TABLE: Path = TOP / "build/upgrades.txt"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    outcomes = config.stash.get(OUTCOMES, None)
    if not outcomes:
        return
    text = table(outcomes)
    TABLE.write_text(f"{text}\n")
    terminalreporter.section("upgrades")
    terminalreporter.write_line(text)
