"""Apply on a fake host, in a process that kills itself at a chosen moment.

    python -m tests.unit.interrupted_apply ROOT [NUMBER]

Each change to a file and each start of a program counts as one moment; at moment NUMBER, before
it happens, the process is gone as with `kill -9`. Without a number it ends by itself and prints
how many moments there were.
"""

import os
import signal
import sys
from pathlib import Path

from altpeter_matrix.apply import apply

from .fake_host import FakeHost

_CHANGES = {
    "os.rename", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.chown",
    "os.truncate", "subprocess.Popen",
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main(root: str, deadly: int | None) -> None:
    host = FakeHost(Path(root))
    moments = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal moments
        flags = arguments[2] if event == "open" else 0
        writes = isinstance(flags, int) and bool(flags & _WRITING)
        if event in _CHANGES or writes:
            moments += 1
            if moments == deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    report = apply(host.host)
    print(moments, report.generation)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else None)
