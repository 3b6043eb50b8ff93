"""What a person at a terminal sees: colour, aligned columns, how long a step has been going on.

What is no terminal gets the plain lines, byte for byte: programs read those, and no maintainer
script writes anything else into apt's logs. rich is loaded only where something is shown at a
terminal, since `apply` with nothing to do has no time for it. Nothing is left to its markup: texts
come from logs, packages and files of others.
"""
# ruff: noqa: PLC0415

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Literal, TextIO

import click

from ..base.errors import Problem
from ..base.text import visible

if TYPE_CHECKING:
    from rich.console import Console

Style = Literal["", "bold", "dim", "red", "yellow", "green", "cyan", "bold red", "bold green"]
Cell = tuple[str, Style]


class Terminal:
    """A terminal, or a window of one. NO_COLOR and TERM=dumb leave the text as it is."""

    def __init__(self, console: "Console") -> None:
        self.console = console

    def line(self, text: str, style: Style = "") -> None:
        """A line that is never broken: a command in it can be copied."""
        self._print((text, style))

    def problems(self, kind: str, problems: Iterable[Problem]) -> None:
        """Each with its remedy below."""
        colour: Style = "red" if kind == "error" else "yellow"
        for problem in problems:
            self._print((f"{kind}: ", colour), (problem.where, "bold"), (f": {problem.what}", ""))
            self.line(f"{' ' * len(kind)}  {problem.remedy}")

    def table(self, rows: Iterable[Sequence[Cell]], headings: Sequence[str] = ()) -> None:
        """Rows in columns; what is too long for its column goes on below."""
        from rich.table import Table
        from rich.text import Text

        grid = Table(box=None, show_header=bool(headings), header_style="bold", pad_edge=False)
        first, *more = rows
        for number in range(len(first)):
            grid.add_column(headings[number] if headings else "", overflow="fold")
        for row in (first, *more):
            grid.add_row(*(Text(visible(text), style) for text, style in row))
        self.console.print(grid)

    def bar(self, share: float) -> str:
        """A bar that is so full, 0 to 1; shorter where there is little room."""
        width = 20 if self.console.width >= _WIDE else 8
        full = min(width, max(1 if share > 0 else 0, round(share * width)))
        # Whatever the terminal cannot write must not end the command.
        sign, empty = "█░" if self.console.encoding.startswith("utf") else "#."
        return sign * full + empty * (width - full)

    def difference(self, lines: Iterable[str]) -> None:
        """Text that has a unified diff in it."""
        for line in lines:
            self.line(line, _OF_DIFF.get(line[:1], ""))

    def _print(self, *parts: Cell) -> None:
        from rich.text import Text

        text = Text.assemble(*((visible(part), style) for part, style in parts))
        self.console.print(text, soft_wrap=True)


_WIDE = 100
_OF_DIFF: dict[str, Style] = {"+": "green", "-": "red", "@": "cyan"}


@cache
def at(stream: TextIO) -> Terminal | None:
    """The terminal that a stream goes to; None: another program reads it."""
    if not stream.isatty() or "DPKG_MAINTSCRIPT_NAME" in os.environ:
        return None
    try:
        from rich.console import Console
    except ImportError:  # apt was interrupted between unpacking us and what we need
        return None
    # Colours only; rich takes NO_COLOR to leave bold and the like.
    system: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return Terminal(
        Console(
            file=stream, force_terminal=True, color_system=system, markup=False, emoji=False,
            highlight=False,
        )
    )  # fmt: skip


@contextmanager
def steps(stream: TextIO) -> Iterator[Callable[[str], None]]:
    """Gives what tells of each step. At a terminal the time that the last one takes runs below.

    A step that nobody can be told of, because the connection is lost, is taken all the same: the
    next may be the one that brings the server back.
    """
    terminal = at(stream)
    if terminal is None:
        yield lambda text: _unless_lost(lambda: click.echo(text, file=stream))
        return
    from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

    running = Progress(
        SpinnerColumn("line", style=""), TimeElapsedColumn(), console=terminal.console,
        transient=True, redirect_stdout=sys.stdout.isatty(), redirect_stderr=sys.stderr.isatty(),
    )  # fmt: skip
    task = running.add_task("", total=None)

    def show(text: str) -> None:
        terminal.line(text)
        running.reset(task)

    _unless_lost(running.start)
    try:
        yield lambda text: _unless_lost(lambda: show(text))
    finally:
        _unless_lost(running.stop)


def _unless_lost(tell: Callable[[], None]) -> None:
    with suppress(OSError):
        tell()
