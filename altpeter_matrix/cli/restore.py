"""`altpeter-matrix restore`: the server as a backup has it."""
# ruff: noqa: PLC0415

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..base.errors import HostError, Problem
from .support import host, reporting
from .terminal import steps

if TYPE_CHECKING:
    from ..apply.activation import Host
    from ..backup.access import Access


@click.command()
@click.option(
    "--at",
    "moment",
    metavar="TIME",
    help="The newest one until then, or (backup.point_in_time) the moment; else the newest.",
)
@click.option("--from", "source", metavar="REPOSITORY", help="Else what backup.to says.")
@click.option("--password-file", type=click.Path(path_type=Path), help="The repository's.")
@click.option("--key-file", type=click.Path(path_type=Path), help="The SSH key, or the S3 keys.")
@click.option("--yes", is_flag=True, help="Lose what was written since.")
@click.option("--no-start", is_flag=True, help="Leave Synapse stopped, for another version of it.")
@click.option("--undo", is_flag=True, help="Return to what was here before.")
@click.option("--finish", is_flag=True, help="Remove what was here before.")
@reporting
def restore(  # noqa: PLR0917 - click calls it by keywords
    moment: str | None,
    source: str | None,
    password_file: Path | None,
    key_file: Path | None,
    yes: bool,
    no_start: bool,
    undo: bool,
    finish: bool,
) -> None:
    """Bring back the server as a backup has it, here or on a new host.

    The server goes on until the backup is fetched. What was here before is kept until --finish.
    """
    from ..backup.restoring import AGAIN, Restoring

    if (undo and finish) or ((moment or source or no_start) and (undo or finish)):
        raise click.UsageError("these options do not go together")
    here = host()
    with steps(sys.stdout) as say_step:
        work = Restoring(here, _access(here, source, password_file, key_file), say_step)
        if undo:
            done = work.undo(yes=yes)
        elif finish:
            done = work.finish()
        else:
            done = work.run(moment, yes=yes, start=not no_start)
    if done is None:
        click.echo("Nothing to do.")
    elif undo:
        click.echo("What was here before serves again.")
    elif finish:
        click.echo("What was here before is removed.")
    else:
        click.echo(
            f"The server is as it was at {done.name}. What was here before is kept: `{AGAIN}"
            f" --finish` removes it, `{AGAIN} --undo` returns to it."
        )


def _access(
    here: "Host", source: str | None, password_file: Path | None, key_file: Path | None
) -> "Access | None":
    """How to get at the backup: what the command says, else what the settings say."""
    from dataclasses import replace

    from ..apply.prepared import known_settings
    from ..backup.access import Access
    from ..settings.backup_place import parse_place
    from ..settings.model import load_settings

    settings = known_settings(here.paths)
    wanted = settings.backup
    if wanted is None or source is not None:
        if source is None:
            return None
        try:
            parse_place(source)
        except ValueError as error:
            what, _, remedy = str(error).partition("; ")
            raise HostError(Problem(f"--from {source}", what, remedy)) from None
        # With the defaults for all that is not said.
        named = {"server_name": settings.server_name, "backup": {"to": source}}
        wanted = load_settings(named, source="--from").backup or wanted
    if wanted is None:
        raise ValueError(source)
    access = Access.by(wanted)
    if password_file is not None:
        access = replace(access, password_file=password_file.absolute())
    if key_file is not None:
        key = key_file.absolute()
        sftp = access.place.kind == "sftp"
        access = replace(access, ssh_key_file=key) if sftp else replace(access, s3_keys_file=key)
    return access
