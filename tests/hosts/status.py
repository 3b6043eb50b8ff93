"""What `altpeter-matrix status` says of a host."""

import time

from tests.hosts.lab import Host
from tests.hosts.lab.commands import Result

_COULD_NOT_LOOK = 2
# Other labs are at work on the same processors.
_PATIENCE = 60.0


def status_of(host: Host, *arguments: str) -> Result:
    """Its answer, whatever it is. What could not be asked in time, which its exit status says, is
    asked again for a while."""
    end = time.monotonic() + _PATIENCE
    while True:
        said = host.run("altpeter-matrix", "status", *arguments, check=False)
        if said.returncode != _COULD_NOT_LOOK or time.monotonic() > end:
            return said


def assert_well(host: Host) -> None:
    """It finds nothing that is wrong."""
    said = status_of(host)
    assert said.returncode == 0, f"{said.stdout}\n{said.stderr}"
