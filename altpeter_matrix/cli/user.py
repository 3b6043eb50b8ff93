"""`altpeter-matrix user`: accounts of this server."""
# ruff: noqa: PLC0415

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..base.errors import MatrixConfigError, Problem
from ..base.paths import Paths
from ..base.text import decoded, first_line
from .support import reporting, require_root

if TYPE_CHECKING:
    from ..synapse.users import Account


@click.group()
def user() -> None:
    """Accounts of this server."""


@user.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="Make a server administrator.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A file whose first line is the password; - for standard input.",
)
@click.option("--exists-ok", is_flag=True, help="Succeed when the account exists; change nothing.")
@reporting
def create(name: str, admin: bool, password_file: Path | None, exists_ok: bool) -> None:
    """Make the account NAME; asks for the password unless there is a file."""
    from ..apply.prepared import read_settings
    from ..synapse.users import create_user, local_part

    require_root()
    settings = read_settings(Paths())
    local_part(name, settings.server_name)  # a wrong name is told before a password is asked for
    password = _password(password_file)
    account = create_user(Paths(), settings, name, password, admin=admin, exists_ok=exists_ok)
    click.echo(f"{account.user_id} {_outcome(account, admin)}.")


def _outcome(account: "Account", admin: bool) -> str:
    if account.made:
        return "was made"
    if account.record is None:
        return "exists already; whether somebody can log in as it could not be found out"
    rights = ", and is no server administrator" if admin and not account.record.admin else ""
    return f"exists already{rights}"


def _password(file: Path | None) -> str:
    if file is None:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    where = "standard input" if str(file) == "-" else str(file)
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        password = first_line(decoded(content))
    except UnicodeDecodeError:
        raise MatrixConfigError(Problem(where, "is not UTF-8 text", "save it as UTF-8")) from None
    if not password:
        raise MatrixConfigError(Problem(where, "holds no password", "write it into the first line"))
    return password
