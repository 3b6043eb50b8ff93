"""A clock that a test can set, for all that systemd starts on a host: the host's own is the test
machine's. systemd itself, the kernel (times of files) and the journal keep to that one."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.hosts.lab import Host
from tests.hosts.lab.commands import run

from .faults import PAST

_SECONDS = "/usr/local/lib/past.seconds"
_SERVICES = "'postgresql@*' nginx matrix-synapse"


@contextmanager
def own_clock(host: Host) -> Iterator[Callable[[int], None]]:
    """The function sets the clock: so many seconds ahead of the real one."""

    def set_ahead(seconds: int) -> None:
        # In place: the programs have the file mapped into their memory.
        with file.open("r+b") as opened:
            opened.write(struct.pack("q", -seconds))
        shown = host.run("systemd-run", "--quiet", "--pipe", "--wait", "date", "+%s").stdout
        real = host.run("date", "+%s").stdout
        assert abs(int(shown) - int(real) - seconds) < 10

    file = host.root / _SECONDS.lstrip("/")
    file.write_bytes(struct.pack("q", 0))
    library = host.root / PAST.lstrip("/")
    run("cc", "-O1", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("past.c"))
    host.sh(f"systemctl set-environment LD_PRELOAD={PAST}; systemctl restart {_SERVICES}")
    try:
        yield set_ahead
    finally:
        host.sh(f"systemctl unset-environment LD_PRELOAD; systemctl restart {_SERVICES}")
