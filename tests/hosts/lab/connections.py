"""SSH connections to a host that stay open for the commands to come.

A login costs the two machines a quarter of a second of processor time; a command over a connection
that is open costs a hundredth. A thing that must be seen by a newcomer (a firewall, a changed
sshd) is looked at over a connection of its own: `Host.ssh_argv`.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from .commands import run
from .errors import LabError

# A connection whose host died notices it by itself.
ALIVE = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3")


class Connections:
    """The open connections of one host, at most one for each user and port."""

    def __init__(self, directory: Path, host: str) -> None:
        """directory: for the sockets; short, since the kernel limits their paths. host: the name
        that no other host has."""
        self._directory = directory
        self._host = host
        self._guard = threading.Lock()

    def through(self, key: str, ssh: Sequence[str]) -> list[str]:
        """The ssh command, told to use the connection of that key, which is opened if need be."""
        socket = self._directory / f"{self._host}-{key}"
        program, *options = ssh
        with self._guard:
            if not socket.exists():
                # Not left to the first command: of two at the same time one would complain.
                run(
                    *(program, "-o", "ControlMaster=yes", "-o", "ControlPersist=yes", *ALIVE),
                    *("-o", f"ControlPath={socket}", *options, "true"),
                    check=False,
                )
        return [program, "-o", f"ControlPath={socket}", *options]

    def hang_up(self) -> None:
        """Close them, and end the commands that still run over them."""
        with self._guard:
            for socket in self._directory.glob(f"{self._host}-*"):
                hang_up(socket)


def hang_up(socket: Path) -> None:
    """Close one connection by its socket."""
    run("ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "host", check=False)
    socket.unlink(missing_ok=True)


def remove(directory: str) -> None:
    """Close all connections with a socket there, and remove the directory.

    Raises LabError when something else is in it.
    """
    path = Path(directory)
    if not path.is_dir():
        return
    for socket in path.iterdir():
        hang_up(socket)
    try:
        path.rmdir()
    except OSError as left:
        raise LabError(str(left)) from left
