"""`altpeter-matrix notify` and `altpeter-matrix mail`: whether people can be told."""
# ruff: noqa: PLC0415

import sys

import click

from ..base.errors import MatrixConfigError, Problem
from .support import place, reporting, require_root, say, say_json, tell


@click.group()
def notify() -> None:
    """How you are told of faults, see `notify` in the settings."""


@notify.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@reporting
def test(as_json: bool) -> None:
    """Send a test by each way, and say what became of it.

    Exit status 1: one of them does not work.
    """
    from ..notify.trial import try_ways

    paths, _ = place()
    results = try_ways(paths)
    failed = [one.problem for one in results if one.problem is not None]
    if as_json:
        say_json({"ok": not failed, "ways": [one.as_json() for one in results]})
    else:
        for one in results:
            tell(f"{one.name}: {'FAILED' if one.problem else one.done}")
        say("error", failed)
    sys.exit(1 if failed else 0)


@click.group()
def mail() -> None:
    """Mail through the server of `email` in the settings."""


@mail.command("test")
@click.argument("address")
@reporting
def mail_test(address: str) -> None:
    """Send a test to ADDRESS, and show the whole dialogue; secrets are hidden.

    Exit status 1: the mail was not taken.
    """
    from ..notify.trial import mail_by_server
    from ..settings.formats import check_email_address

    require_root()
    try:
        check_email_address(address)
    except ValueError as error:
        raise MatrixConfigError(Problem(address, *_halves(error))) from None
    mail_by_server(place()[0], address, tell)
    tell(f"The server has taken a mail to {address}. Look whether it arrives, and not as spam.")


def _halves(error: ValueError) -> tuple[str, str]:
    what, _, remedy = str(error).partition("; ")
    return what, remedy
