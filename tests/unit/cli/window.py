"""A terminal for tests that keeps what a command shows there; with fixtures."""

import os
import pty
import re
import sys
import threading
from collections.abc import Iterator

import pytest

from altpeter_matrix.cli import generations, main, support, upgrades

from ..fake_host import FakeHost

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]not[/red] [/] :smile: \r\x9b2J\u202e{} %s\x00"
SHOWN = r"\x1b]0;owned\x07\x1b[2J[red]not[/red] [/] :smile: \r\x9b2J\u202e{} %s\x00"


class Window:
    """A terminal that keeps what is written to it."""

    _END = "\x04the end\x04"

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        self.stream = os.fdopen(slave, "w", encoding="utf-8")
        self._said = ""
        # It takes no more than a page that nobody has read.
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not in a fixture: pytest puts its own back before the test."""
        monkeypatch.setattr(sys, "stdout", self.stream)
        monkeypatch.setattr(sys, "stderr", self.stream)

    def _read(self) -> None:
        said = b""
        while not said.endswith(self._END.encode()):
            said += os.read(self._master, 4096)
        self._said = said.decode().removesuffix(self._END).replace("\r\n", "\n")

    def close(self) -> None:
        if not self.stream.closed:
            self.stream.write(self._END)
            self.stream.flush()
            self._reader.join()
            self.stream.close()
            os.close(self._master)

    @property
    def screen(self) -> str:
        """All that was ever written to it; it is closed then."""
        self.close()
        return self._said


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    """The terminal on which commands are run."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    for name in ("NO_COLOR", "FORCE_COLOR", "DPKG_MAINTSCRIPT_NAME"):
        monkeypatch.delenv(name, raising=False)
    made = Window()
    yield made
    made.close()


@pytest.fixture
def without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing had loaded it yet."""
    for name in [one for one in sys.modules if one.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)


def loaded() -> bool:
    return "rich" in sys.modules


def run(host: FakeHost, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """A command on the fake host, on whatever sys.stdout is; its exit status."""
    for module in (main, generations, support, upgrades):
        monkeypatch.setattr(module, "Paths", lambda: host.paths)
    with pytest.raises(SystemExit) as ended:
        main.cli.main(words)
    return int(ended.value.code or 0)


def plain(screen: str) -> str:
    """Without colours; anything else that is no text fails the test."""
    left = COLOUR.sub("", screen)
    assert left.replace("\n", "").isprintable(), repr(left)
    return left
