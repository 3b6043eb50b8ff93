"""`altpeter-matrix status`: for a person, and for programs that watch."""
# ruff: noqa: PLC0415

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from .support import host, reporting, require_root, say_json, tell
from .terminal import Terminal, at

if TYPE_CHECKING:
    from ..status.findings import Status

COULD_NOT_LOOK = 2
_UNKNOWN = 3  # of Nagios


@click.command()
@click.option("--all", "every", is_flag=True, help="Show each check, and what became of it.")
@click.option("--daily", is_flag=True, help="Ask what is asked once a day, too; it takes longer.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@click.option("--check", "nagios", is_flag=True, help="Answer as a plugin of Nagios or Icinga.")
@click.option("--metrics", is_flag=True, help="Answer for node_exporter's textfile collector.")
@click.option("--explain", metavar="ID", help="Say what is known of a fault; looks at nothing.")
def status(  # noqa: PLR0917 - click names them
    every: bool, daily: bool, as_json: bool, nagios: bool, metrics: bool, explain: str | None
) -> None:
    """Say whether the server is well, and what to do if not.

    Exits with 0: well, 1: ill, 2: it could not be looked.
    """
    if explain is not None:
        _explain(explain)
        return
    with _could_not_look(_UNKNOWN if nagios else COULD_NOT_LOOK):
        found = _look(daily)
        code = _answer(found, every=every, as_json=as_json, nagios=nagios, metrics=metrics)
    _end(code)


@reporting
def _explain(fault: str) -> None:
    from ..status.checks import catalogue
    from ..status.explanation import explanation

    for line in explanation(catalogue(), fault):
        tell(line)


@reporting
def _look(daily: bool) -> "Status":
    from ..status.findings import status as look

    require_root()
    return look(host(), daily=daily)


@contextmanager
def _could_not_look(code: int) -> Iterator[None]:
    """Whoever watches must not take that for an answer."""
    try:
        yield
    except SystemExit as refused:
        raise SystemExit(code) from refused


def _answer(found: "Status", *, every: bool, as_json: bool, nagios: bool, metrics: bool) -> int:
    from ..status import monitoring
    from ..status.text import text

    code = found.exit_code
    if nagios:
        line, code = monitoring.nagios(found)
        click.echo(line)
    elif metrics:
        click.echo(monitoring.metrics(found), nl=False)
    elif as_json:
        say_json(found.as_json())
    elif (terminal := at(sys.stdout)) is not None:
        _show(found, terminal, every=every)
    else:
        click.echo(text(found, every=every))
    return code


def _show(found: "Status", terminal: Terminal, *, every: bool) -> None:
    """What is to be done comes first."""
    from ..status.text import checks, kind, rows, verdict

    terminal.line(verdict(found), "bold green" if found.healthy else "bold red")
    for one in found.findings:
        terminal.problems(kind(one), [one.problem])
    terminal.table([((name, "dim"), (value, "")) for name, value in rows(found)])
    if every:
        terminal.table([((name, "dim"), (outcome, "")) for name, outcome in checks(found)])


def _end(code: int) -> NoReturn:
    """Without the threads of checks that hang: the interpreter would wait for what they hold."""
    from ..status.run import left_behind

    sys.stdout.flush()
    sys.stderr.flush()
    if left_behind():
        os._exit(code)
    sys.exit(code)
