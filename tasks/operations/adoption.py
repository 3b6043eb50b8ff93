"""Taking over a server that was set up by hand, when the inventory asks for it."""

from collections.abc import Generator
from pathlib import PurePosixPath

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from ..base.paths import REPLACED
from ..decide import adoption
from ..inventory.target import Target
from ..observe.host_state import HostState


@operation()
def own_source_removed(target: Target, state: HostState) -> Generator[StringCommand, None, None]:
    """
    Take out the apt sources by which the server had Synapse's repository until now.

    Two entries with different keys for one repository stop apt altogether.

    + target: the host as it is wanted
    + state: what was observed on the host
    """
    if not (adoption.is_due(target, state) and state.other_sources):
        host.noop("nothing else names Synapse's repository")
        return
    for file in state.other_sources:
        kept = f"{REPLACED}/{PurePosixPath(file).name}."
        yield StringCommand(
            "install -d -m 755", REPLACED, "&& mv -T", QuoteString(file),
            StringCommand(QuoteString(kept), '"$(date +%Y%m%d-%H%M%S)"', _separator=""),
        )  # fmt: skip


@operation()
def adopted(target: Target, state: HostState) -> Generator[StringCommand, None, None]:
    """
    Have the host tool take over a server that was set up by hand.

    + target: the host as it is wanted
    + state: what was observed on the host
    """
    if not adoption.is_due(target, state):
        host.noop("no server set up by hand is to be taken over")
        return
    yield StringCommand("altpeter-matrix adopt")
