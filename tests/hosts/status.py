"""What `altpeter-matrix status` says of a host."""

import time

from tests.hosts.lab import Host
from tests.hosts.lab.commands import Result

_COULD_NOT_LOOK = 2


def status_of(host: Host, *arguments: str) -> Result:
    """Its answer, whatever it is. Other labs are at work on the same processors: what could not be
    asked in time, which it says by its exit status, is asked again for a while."""
    end = time.monotonic() + 60
    while True:
        said = host.run("altpeter-matrix", "status", *arguments, check=False)
        if said.returncode != _COULD_NOT_LOOK or time.monotonic() > end:
            return said
