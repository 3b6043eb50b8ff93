"""`altpeter-matrix usage`: where the room is, and when the disk is full."""
# ruff: noqa: PLC0415

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..base.errors import MatrixConfigError, Problem
from ..base.paths import Paths
from .support import reporting, require_root, say, say_json, tell
from .terminal import Cell, Style, Terminal, at, steps

if TYPE_CHECKING:
    from ..settings.model import Settings
    from ..usage.report import Report, Row

_COULD_NOT_LOOK = 2
# From how full on a disk is shown in which colour.
_COLOURS: tuple[tuple[float, Style], ...] = ((0.9, "red"), (0.8, "yellow"), (0.0, "green"))


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON, in bytes.")
@click.option("--sample", is_flag=True, help="Note today's sample; what the timer runs.")
@click.pass_context
def usage(context: click.Context, as_json: bool, sample: bool) -> None:
    """Show where the room is, how fast it goes, and what could be given back."""
    if context.invoked_subcommand is None:
        _usage(as_json, sample)
    elif as_json or sample:
        raise click.UsageError(f"these options belong after {context.invoked_subcommand}")


@reporting
def _usage(as_json: bool, sample: bool) -> None:
    from ..usage import report as told

    require_root()
    if sample:
        _take_sample()
        return
    with steps(sys.stderr):
        report = _look()
    if as_json:
        say_json(report.as_json())
    elif (terminal := at(sys.stdout)) is not None:
        _show(report, terminal)
    else:
        for line in told.lines(report):
            click.echo(line)
    say("notice", report.usage.problems)
    sys.exit(_COULD_NOT_LOOK if report.usage.problems else 0)


@usage.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--automatic", is_flag=True, help="Only when it is time; what the timer runs.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON, in bytes.")
@reporting
def reclaim(dry_run: bool, automatic: bool, as_json: bool) -> None:
    """Give back what nobody needs: nothing is lost by it, and the server goes on."""
    from ..usage import reclaim_text
    from ..usage.reclaiming import Reclaiming
    from ..watch.busy import beside_upkeep

    require_root()
    paths = Paths()
    with steps(sys.stderr) as say_step:
        work = Reclaiming(paths, lambda: beside_upkeep(paths), say_step)
        plan = work.plan() if dry_run else None
        run = None if dry_run else work.when_due() if automatic else work.now()
    if as_json:
        say_json(asdict(plan) if plan else run.as_json() if run else {})
    else:
        for line in reclaim_text.lines(plan, run):
            tell(line)
    if run is not None and run.problems:
        say("error", [Problem(*one) for one in run.problems])
        sys.exit(1)


def _look() -> "Report":
    from ..usage.giving_back import possible
    from ..usage.reclaimed import read as read_reclaimed
    from ..usage.report import Report
    from ..usage.samples import read
    from ..usage.survey import survey

    paths = Paths()
    found = survey(paths)
    return Report(
        found, read(paths), possible(paths, found, _settings(paths)), read_reclaimed(paths)
    )


def _settings(paths: Paths) -> "Settings | None":
    """What is wrong with them, `survey` says."""
    from ..apply.prepared import read_settings

    try:
        return read_settings(paths)
    except MatrixConfigError:
        return None


def _take_sample() -> None:
    from ..usage import samples
    from ..usage.survey import SAMPLE, survey

    paths = Paths()
    found = survey(paths, SAMPLE)
    samples.add(paths, samples.of(found))
    say("notice", found.problems)
    # A part that cannot be asked today is no reason to have no sample: status tells of what is ill.
    click.echo(f"Noted in {paths.usage_samples}.")


def _show(report: "Report", terminal: Terminal) -> None:
    from ..usage.report import SECTIONS, size_of, verdict

    said, share = verdict(report)
    terminal.line(said, _colour(share))
    for title, rows_of in SECTIONS.items():
        rows: list[Row] = list(rows_of(report))
        if not rows:
            continue
        terminal.line(f"\n{title}", "bold")
        disks = title == "Disks"
        terminal.table([_cells(row, terminal, disks) for row in rows])
    if report.possible:
        terminal.line("\nWhat could be given back", "bold")
        cells: list[tuple[Cell, ...]] = [
            ((size_of(one.size), "cyan"), (f"{one.what}: {one.how}", "")) for one in report.possible
        ]
        terminal.table(cells)
    for note in report.usage.notes:
        terminal.line(f"\n{note}", "dim")


def _cells(row: "Row", terminal: Terminal, disks: bool) -> tuple[Cell, ...]:
    dim: Style = "dim" if row.depth else ""
    bar = terminal.bar(row.share) if row.size else ""
    colour = _colour(row.share) if disks else "cyan"
    return ("  " * row.depth + row.name, dim), (bar, colour), (row.size, dim), (row.more, "dim")


def _colour(share: float) -> Style:
    return next(style for least, style in _COLOURS if share >= least)
