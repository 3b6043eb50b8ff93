"""`altpeter-matrix upgrades`: what became of each upgrade of Synapse."""
# ruff: noqa: PLC0415

import click

from .cli_support import reporting, require_root, say_json
from .paths import Paths


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@reporting
def upgrades(as_json: bool) -> None:
    """List the upgrades of Synapse: when, what, how it ended, and why."""
    from . import upgrade_history, upgrade_report

    require_root()
    book = upgrade_history.read(Paths())
    if as_json:
        say_json(upgrade_report.as_json(book))
        return
    for line in upgrade_report.lines(book):
        click.echo(line)
