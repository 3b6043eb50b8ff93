"""`altpeter-matrix upgrades`: what became of each upgrade of Synapse."""
# ruff: noqa: PLC0415

import click

from ..base.paths import Paths
from .support import reporting, require_root, say_json


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
    for line in report.lines(book):
        click.echo(line)
