"""What a deploy knows of a host once it was surveyed."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..connection.login import LoggedIn
from ..inventory.target import Target
from ..observe.host_state import HostState


@dataclass(frozen=True)
class Site:
    """A host: what is wanted, what there is, and how to get there."""

    target: Target
    state: HostState
    login: LoggedIn
    keys: Mapping[str, bytes]  # of the repositories in use, by their keyring's path
    adoption: tuple[str, ...] = ()  # what will become of a server that was set up by hand

    @property
    def ssh_ports(self) -> frozenset[int]:
        """Every port that SSH comes through, this very connection's included."""
        live = {self.login.ssh_port} if self.login.ssh_port else set()
        listening = {one.port for one in self.state.listening if one.program == "sshd"}
        return frozenset(self.state.sshd_ports | live | listening)
