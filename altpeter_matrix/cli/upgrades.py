"""`altpeter-matrix upgrades`: what became of each upgrade of Synapse."""
# ruff: noqa: PLC0415

import sys
from typing import TYPE_CHECKING

import click

from ..base.paths import Paths
from .support import reporting, require_root, say_json
from .terminal import Cell, Style, Terminal, at

if TYPE_CHECKING:
    from ..upgrade.report import Row

_COLOURS: dict[bool | None, Style] = {True: "green", False: "red", None: "yellow"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@reporting
def upgrades(as_json: bool) -> None:
    """List the upgrades of Synapse: when, what, how it ended, and why."""
    from ..upgrade import history, report

    require_root()
    book = history.read(Paths())
    if as_json:
        say_json(report.as_json(book))
        return
    terminal, rows = at(sys.stdout), list(report.rows(book))
    if terminal is not None and rows:
        _show(rows, terminal)
        return
    for line in report.lines(book):
        click.echo(line)


def _show(rows: "list[Row]", terminal: Terminal) -> None:
    cells: list[tuple[Cell, ...]] = []
    for row in rows:
        cells.append(((row.began, ""), (row.change, ""), (row.outcome, _COLOURS[row.well])))
        more = [one for one in (row.requests, *row.notes) if one]
        cells += [(("", ""), ("", ""), (one, "dim")) for one in more]
    terminal.table(cells, headings=("began", "upgrade", "what became of it"))
