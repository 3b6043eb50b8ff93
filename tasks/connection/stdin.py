"""Secrets on their way to a host: over stdin, never in a command line, a log or a diff."""

from collections.abc import Iterator

from pyinfra.api import StringCommand


class HiddenInput:
    """Text for a command's stdin. pyinfra prints arguments under --debug: this prints as stars."""

    def __init__(self, text: str | None = None) -> None:
        # Not splitlines: to it a password may have a dozen other ends of a line in it.
        self._lines = [] if text is None else text.removesuffix("\n").split("\n")

    def after(self, line: str) -> "HiddenInput":
        """The same text with a line before it."""
        longer = HiddenInput(line)
        longer._lines += self._lines
        return longer

    def readlines(self) -> list[str]:
        """What pyinfra sends; it asks for it like this, as of an open file."""
        return list(self._lines)

    def __iter__(self) -> Iterator[str]:
        return iter(self.readlines())

    def __repr__(self) -> str:
        return "*MASKED*"


def with_stdin(command: StringCommand, text: str) -> StringCommand:
    """A command that reads `text` from its stdin."""
    command.connector_arguments["_stdin"] = HiddenInput(text)
    return command
