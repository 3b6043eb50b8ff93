"""`altpeter-matrix backup`: the backup that this package makes."""
# ruff: noqa: PLC0415

import sys
from dataclasses import asdict

import click

from ..base.paths import Paths
from .support import place, reporting, require_root, say, say_json, tell
from .terminal import steps


@click.group()
def backup() -> None:
    """The backup that is made each day, once `backup:` in settings.yaml names a place."""


@backup.command()
@click.option("--automatic", is_flag=True, help="Only when it is time; what the timer runs.")
@click.option("--take-over", is_flag=True, help="Also where another host made those before.")
@reporting
def now(automatic: bool, take_over: bool) -> None:
    """Make a backup."""
    from ..backup.making import Making

    require_root()
    with steps(sys.stderr) as say_step:
        making = Making(Paths(), say_step)
        made = making.when_due() if automatic else making.now(take_over=take_over)
    if made is None:
        return
    click.echo(f"Backup {made.name} is in {making.backup.to}, in {made.seconds:.0f} s.")
    if made.warning:
        say("warning", [made.warning])


@backup.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@reporting
def list_(as_json: bool) -> None:
    """List the backups, and what became of the last drill."""
    from ..backup import listing

    require_root()
    found = listing.listing(Paths())
    if as_json:
        say_json(asdict(found))
        return
    for line in listing.text(found):
        tell(line)


@backup.command()
@click.option("--all", "everything", is_flag=True, help="Read all data, and not a part of it.")
@reporting
def verify(everything: bool) -> None:
    """See whether the repository is what was written to it."""
    from ..backup import upkeep
    from ..backup.access import Access
    from ..backup.making import settings_for_backup
    from ..backup.restic import Restic
    from ..base import locks

    require_root()
    paths = Paths()
    _, wanted = settings_for_backup(paths)
    restic = Restic(paths, Access.by(wanted))
    with steps(sys.stderr) as say_step, locks.locked(paths, locks.BACKUP, 60):
        restic.prepare()
        restic.access.require_password()
        restic.unlock()
        upkeep.verify(paths, restic, say_step, everything=everything)
    click.echo("No damage was found.")


@backup.command()
@click.option("--automatic", is_flag=True, help="Only when it is time; what the timer runs.")
@reporting
def drill(automatic: bool) -> None:
    """Restore the newest backup beside the server, to see that it can be."""
    from ..backup.drill import Drill

    paths, _services = place()
    with steps(sys.stderr) as say_step:
        work = Drill(paths, say_step)
        done = work.when_due() if automatic else work.now()
    if done is not None:
        took = f"its database needed {done.seconds:.0f} s"
        click.echo(f"Backup {done.backup} can be restored; {took}.")
