"""`altpeter-matrix generations` and `rollback`: what was active, and its return."""
# ruff: noqa: PLC0415

import sys
from typing import Any

import click

from ..base.paths import Paths
from .support import host, reporting, say, say_json
from .terminal import Cell, Terminal, at, steps


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@reporting
def generations(as_json: bool) -> None:
    """List the generations that can be brought back."""
    from ..apply.generations import Store
    from ..base.accounts import read_accounts

    store = Store(Paths(), read_accounts(Paths().root))
    current = store.current_number()
    rows = []
    for number in store.numbers():
        generation = store.load(number)
        rows.append(
            {
                "number": number,
                "current": number == current,
                "created": generation.created if generation else None,
                "package_version": generation.package_version if generation else None,
                "whole": generation is not None and not store.tampering(generation),
            }
        )
    if as_json:
        say_json(rows)
        return
    terminal = at(sys.stdout)
    if terminal is not None and rows:
        _show_generations(rows, terminal)
        return
    for row in rows:
        marks = ("  (current)" if row["current"] else "") + ("" if row["whole"] else "  (damaged)")
        click.echo(f"{row['number']:>4}  {row['created']}  {row['package_version']}{marks}")


def _show_generations(rows: "list[dict[str, Any]]", terminal: Terminal) -> None:
    cells: list[tuple[Cell, ...]] = []
    for row in rows:
        state: Cell = ("", "") if row["whole"] else ("damaged", "red")
        if row["current"] and row["whole"]:
            state = ("current", "green")
        elif row["current"]:
            state = ("current, damaged", "red")
        known = (str(row[name]) for name in ("number", "created", "package_version"))
        cells.append((*((one, "") for one in known), state))
    terminal.table(cells, headings=("number", "made", "by version", "state"))


@click.command()
@click.argument("number", type=int, required=False)
@reporting
def rollback(number: int | None) -> None:
    """Bring back generation NUMBER, or the one before the current."""
    from ..apply.rollback import rollback as go_back

    with steps(sys.stderr):
        report = go_back(host(), number)
    click.echo(f"Generation {report.generation} is active again ({', '.join(report.done)}).")
    say("notice", report.notices)
    click.echo("settings.yaml is as it was: the next `altpeter-matrix apply` goes forward again.")
