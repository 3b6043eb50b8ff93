"""The one error that stops a deploy before its first operation."""

from collections.abc import Sequence
from typing import IO, Any

import click
from pyinfra.api.exceptions import PyinfraError
from pyinfra_cli.exceptions import CliError

from altpeter_matrix.base.errors import Problem


class Refused(PyinfraError, CliError):
    """The deploy cannot be done as asked; nothing has been changed on any host.

    A PyinfraError for those who use pyinfra as a library; a CliError so that the command prints
    the problems alone, without a traceback or the place in our code.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def show(self, file: IO[Any] | None = None) -> None:
        for problem in self.problems:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {problem}", err=True)
        click.echo("Nothing has been changed on any host.", err=True)
