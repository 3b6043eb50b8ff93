"""`altpeter-matrix backup`: the backup that this package makes."""
# ruff: noqa: PLC0415

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..base.paths import Paths
from .support import place, reporting, require_root, say, say_json, tell
from .terminal import steps

if TYPE_CHECKING:
    from ..backup.point_in_time import PointInTime


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
    from ..backup.point_in_time import PointInTime

    require_root()
    paths = Paths()
    with steps(sys.stderr) as say_step:
        making = Making(paths, say_step)
        archive = PointInTime.of(paths, making.backup, say_step)
        try:
            made = making.when_due() if automatic else making.now(take_over=take_over)
        finally:
            # Each is of use without the other.
            kept = _archived(archive, automatic=automatic, take_over=take_over)
    if made is not None:
        click.echo(f"Backup {made.name} is in {making.backup.to}, in {made.seconds:.0f} s.")
        if made.warning:
            say("warning", [made.warning])
    if kept and archive:
        click.echo(f"PostgreSQL is backed up in {archive.place}, and what it writes goes there.")


def _archived(archive: "PointInTime | None", *, automatic: bool, take_over: bool) -> bool:
    """Whether there is a new one of its backups."""
    if archive is None:
        return False
    if automatic:
        return archive.when_due()
    archive.now(take_over=take_over)
    return True


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
    from ..backup.point_in_time import PointInTime
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
        if everything and (archive := PointInTime.of(paths, wanted, say_step)):
            archive.verify()
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
