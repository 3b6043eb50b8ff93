"""`altpeter-matrix adopt`: taking over a server that was set up by hand."""
# ruff: noqa: PLC0415

import sys

import click

from .support import host, reporting, say, tell_difference
from .terminal import steps


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would change; 1 if it is refused.")
@click.option("--undo", is_flag=True, help="Bring back what the last adoption replaced.")
@reporting
def adopt(dry_run: bool, undo: bool) -> None:
    """Take over a server that was set up by hand, or later edits of Synapse's packaged files."""
    if dry_run and undo:
        raise click.UsageError("--dry-run and --undo exclude each other")
    if undo:
        _undo()
    elif _is_ours():
        (_show_edits if dry_run else _adopt_edits)()
    elif dry_run:
        _show()
    else:
        _adopt()


def _is_ours() -> bool:
    from ..synapse.handmade import problems

    return not problems(host().paths)


def _show_edits() -> None:
    from ..adopt.edits import decide, report
    from ..base.locks import exclusive

    paths = host().paths
    with exclusive(paths):
        tell_difference(report(paths, decide(paths)))
    click.echo("\nNothing was changed. `altpeter-matrix adopt` does it.")


def _adopt_edits() -> None:
    from ..adopt.edits import adopt as adopt_now

    with steps(sys.stderr):
        report, directory = adopt_now(host())
    click.echo(f"Generation {report.generation} is active: {', '.join(report.done)}.")
    click.echo(f"The edited files are kept in {directory}.")
    say("notice", report.notices)


def _show() -> None:
    from ..adopt.report import report
    from ..adopt.survey import survey
    from ..adopt.transaction import require_adoptable
    from ..apply.preflight import require_suitable
    from ..base.locks import exclusive

    place = host()
    with exclusive(place.paths):
        require_adoptable(place.paths)
        decided = survey(place.paths)
        moving = decided.move is not None
        require_suitable(place.paths, decided.rendered, place.services.present, moving=moving)
        tell_difference(report(place.paths, decided))
    click.echo("\nNothing was changed. `altpeter-matrix adopt` does it.")


def _undo() -> None:
    from ..adopt.transaction import undo

    with steps(sys.stderr):
        found = undo(host())
    if isinstance(found, str):
        click.echo(f"The move of the database is no longer under way; Synapse runs on {found}.")
        return
    click.echo(f"The files of before the adoption are back (they stay in {found}, too).")
    click.echo("`altpeter-matrix adopt` adopts this server again.")


def _adopt() -> None:
    from ..adopt.transaction import adopt as adopt_now

    with steps(sys.stderr) as say_step:
        report, directory = adopt_now(host(), say=say_step)
    click.echo(f"Generation {report.generation} is active: {', '.join(report.done)}.")
    click.echo(f"The old files are in {directory}; `altpeter-matrix adopt --undo` uses them.")
    say("notice", report.notices)
