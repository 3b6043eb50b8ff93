"""What all commands share: where they work, and how they answer."""
# ruff: noqa: PLC0415

import json
import os
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click

from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.paths import Paths
from .terminal import at

if TYPE_CHECKING:
    from ..apply.activation import Host
    from ..apply.services import Services

P = ParamSpec("P")
R = TypeVar("R")


def say(kind: str, problems: Iterable[Problem]) -> None:
    """Tell of problems, each on its own, beside what the command answers."""
    found = tuple(problems)
    # Not asked before there is something: it loads what shows it.
    terminal = at(sys.stderr) if found else None
    if terminal is not None:
        terminal.problems(kind, found)
        return
    for problem in found:
        click.echo(f"{kind}: {problem}", err=True)


def tell(text: str) -> None:
    """A line of the answer, with words of others in it."""
    terminal = at(sys.stdout)
    if terminal is not None:
        terminal.line(text)
    else:
        click.echo(text)


def tell_difference(lines: Iterable[str]) -> None:
    """An answer that has a unified diff in it."""
    terminal = at(sys.stdout)
    if terminal is not None:
        terminal.difference(lines)
        return
    for line in lines:
        click.echo(line)


def reporting(command: Callable[P, R]) -> Callable[P, R]:
    """The one place that shows errors: `error: where: what; remedy`, and exit status 1."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (MatrixConfigError, OSError) as error:
            from ..base.failures import problems_of

            say("error", problems_of(error))
        except KeyboardInterrupt:
            say("error", [Problem("altpeter-matrix", "was interrupted", "run it again")])
        sys.exit(1)

    return wrapped


def host(*, from_postinst: bool = False) -> "Host":
    from ..apply.activation import Host

    return Host(*place(from_postinst=from_postinst))


def place(*, from_postinst: bool = False) -> "tuple[Paths, Services]":
    from ..apply.services import Services

    require_root()
    paths = Paths()
    return paths, Services(paths, from_postinst=from_postinst)


def require_root() -> None:
    if os.geteuid() != 0:
        raise HostError(Problem("altpeter-matrix", "needs root", "run it with sudo, or as root"))


def say_json(data: Any) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False, default=str))
