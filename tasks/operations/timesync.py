"""The clock: signatures and certificates are worthless with a wrong one."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from ..base.packages import TIMESYNCD, TIMESYNCD_UNIT
from ..observe.host_state import HostState


@operation()
def synchronised(state: HostState) -> Generator[StringCommand, None, None]:
    """
    Have the clock set from the network.

    + state: what was observed on the host
    """
    if not state.installed(TIMESYNCD):
        # Another one runs, or the package that comes now enables itself.
        host.noop("the clock is kept")
        return
    if state.units.get(TIMESYNCD_UNIT) != "disabled":
        host.noop("systemd-timesyncd is enabled")
        return
    yield StringCommand("systemctl enable --now", TIMESYNCD_UNIT)
