"""The firewall."""

from collections.abc import Collection, Generator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from ..decide.firewall import changes
from ..observe.host_state import Firewall


@operation()
def firewall(
    wanted: Collection[str], ssh_ports: Collection[int], present: Firewall
) -> Generator[StringCommand, None, None]:
    """
    Close all ports but these. Rules of the administrator stay.

    + wanted: what is to be open, as PORT/PROTOCOL
    + ssh_ports: those of them that SSH comes through
    + present: the firewall as it was observed
    """
    calls = list(changes(wanted, ssh_ports, present))
    if not calls:
        host.noop("the firewall is as wanted")
    for arguments in calls:
        yield StringCommand("ufw", *map(QuoteString, arguments), ">/dev/null")
