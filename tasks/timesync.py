"""The clock: signatures and certificates are worthless with a wrong one."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from .host_state import HostState

DEFAULT = "systemd-timesyncd"
# Whatever keeps the time already is the administrator's choice and stays.
CLOCKS = (DEFAULT, "chrony", "ntpsec", "ntp", "openntpd")
UNITS = (f"{DEFAULT}.service",)


@operation()
def synchronised(state: HostState) -> Generator[StringCommand, None, None]:
    """
    Have the clock set from the network.

    + state: what was observed on the host
    """
    if not state.installed(DEFAULT):
        # Another one runs, or the package that comes now enables itself.
        host.noop("the clock is kept")
        return
    if state.units.get(UNITS[0]) != "disabled":
        host.noop("systemd-timesyncd is enabled")
        return
    yield StringCommand("systemctl enable --now", UNITS[0])
