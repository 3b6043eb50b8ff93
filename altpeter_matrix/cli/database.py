"""`altpeter-matrix database`: the PostgreSQL under this server."""
# ruff: noqa: PLC0415

import sys

import click

from ..base.errors import MatrixConfigError
from .support import host, reporting, say
from .terminal import steps


@click.group()
def database() -> None:
    """The PostgreSQL under this server."""


@database.command()
@click.option("--rehearse", is_flag=True, help="Only try it, on a copy; the server goes on.")
@click.option("--undo", is_flag=True, help="Return to the old PostgreSQL.")
@click.option("--finish", is_flag=True, help="Remove the old PostgreSQL's data.")
@click.option("--to", type=int, metavar="VERSION", help="The version to move to; else the newest.")
@click.option("--yes", is_flag=True, help="With --undo: lose what was written since.")
@reporting
def upgrade(rehearse: bool, undo: bool, finish: bool, to: int | None, yes: bool) -> None:
    """Move Synapse's database to a newer PostgreSQL that is installed.

    The server is away meanwhile. The old data is kept until --finish.
    """
    from ..database.upgrade import DatabaseUpgrade

    if rehearse + undo + finish > 1 or (to is not None and (undo or finish)) or (yes and not undo):
        raise click.UsageError("these options do not go together")
    with steps(sys.stdout) as say_step:
        work = DatabaseUpgrade(host(), say_step)
        if rehearse:
            done = work.rehearse(to)
        elif undo:
            done = work.undo(yes=yes)
        elif finish:
            done = work.finish()
        else:
            done = work.run(to)
    if not done:
        click.echo("Nothing to do.")
    elif not rehearse:
        _apply()


def _apply() -> None:
    """Note the other cluster: without it, the next apply would find a change."""
    from ..apply.transaction import apply
    from ..base.failures import problems_of

    try:
        apply(host())
    except (MatrixConfigError, OSError) as error:
        say("notice", problems_of(error))
