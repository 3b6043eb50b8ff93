"""Root rights for a user whom sudo asks for a password.

pyinfra looks for sudo's English words to know that it asks, and gives the password in a command
line, where every process of the host can read it. Here sudo is asked by its exit status, and has
the password over stdin: it takes the first line, the command has the rest.
"""

import sys
from collections.abc import Callable
from getpass import getpass
from typing import Any

from pyinfra.api import Host, State, StringCommand
from pyinfra.connectors.util import (
    CommandOutput,
    extract_control_arguments,
    make_unix_command,
)

from altpeter_matrix.base.errors import Problem

from .login import LoggedIn
from .stdin import HiddenInput

Run = Callable[..., tuple[bool, CommandOutput]]

_FILE = "sudo_password_file"
_ANOTHER_WAY = (
    f"name a file on your machine that holds it with `{_FILE}` in the inventory, or give "
    "--same-sudo-password, or log in as root (`ssh_user`)"
)


def root_rights(
    state: State, host: Host, login: LoggedIn, given: str | None, source: str
) -> Problem | None:
    """Have sudo take the host's password from now on, if it needs one; the Problem if it cannot.

    given: the password that the inventory gives, in the file that is called `source` in errors.
    """
    user = f"user {login.user}"
    run: Run = host.connector.run_shell_command
    if not login.sudo_asks:
        host.connector.run_shell_command = _without_password(run)  # type: ignore[method-assign]
        return None
    given_by, password = _password(state, host, given, source)
    if not password:
        return Problem(
            host.name, f"gives {user} no root rights without a password for sudo", _ANOTHER_WAY
        )
    host.connector.run_shell_command = with_password(run, password)  # type: ignore[method-assign]
    # Only if nothing is left to read was it sudo that took the password.
    done, said = host.run_shell_command(StringCommand("! read -r left"), _sudo=True)
    if done:
        return None
    words = said.stderr_lines or ["it said nothing"]
    return Problem(
        given_by,
        f"gives {user} no root rights on {host.name} (sudo there: {words[-1].strip()})",
        "correct the password, or have that user in the group `sudo`, or log in as root "
        "(`ssh_user`)",
    )


def _password(state: State, host: Host, given: str | None, source: str) -> tuple[str, str | None]:
    """Where the password is from, and the password itself."""
    if given is not None:
        return f"{source}: {_FILE} ({host.name})", given
    if state.config.SUDO_PASSWORD:
        return f"{host.name}: --same-sudo-password", state.config.SUDO_PASSWORD
    return f"{host.name}: the password typed", _typed(host)


def _typed(host: Host) -> str | None:
    if not sys.stdin.isatty():
        return None
    try:
        return getpass(f"{host.print_prefix}sudo password: ")
    except EOFError:
        return None


def with_password(run: Run, password: str) -> Run:
    """A connector's `run_shell_command` that gives sudo the password on the command's stdin."""

    def run_shell_command(
        command: StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        if not arguments.pop("_sudo", False):
            return run(command, print_output, print_input, **arguments)
        arguments.pop("_sudo_password", None)
        control: dict[str, Any] = dict(extract_control_arguments(arguments))  # type: ignore[arg-type]
        given: HiddenInput = control.pop("_stdin", None) or HiddenInput()
        # -k: it asks each time, so that the first line never reaches the command.
        rooted = StringCommand("sudo -H -S -k -p ''", make_unix_command(command, **arguments))
        control |= {"_stdin": given.after(password), "_shell_executable": None}
        return run(rooted, print_output, print_input, **control)

    return run_shell_command


def _without_password(run: Run) -> Run:
    """The same for a host that needs none: pyinfra would put --same-sudo-password's there, too."""

    def run_shell_command(*given: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
        arguments.pop("_sudo_password", None)
        return run(*given, **arguments)

    return run_shell_command
