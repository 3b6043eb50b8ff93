"""Apply on a fake host, in a process that kills itself at a chosen moment.

    python -m tests.unit.apply.interrupted_apply

Reads one JSON object a line, {"root": …, "deadly": NUMBER or null, "environment": {…}}, and answers
each with {"status": …, "moments": …, "error": …}. Each change to a file and each start of a program
counts as one moment; at the deadly one, before it happens, the process is gone as with `kill -9`.
With 0 it looks before each moment, and ends with an error where something was not whole.
Every apply has a process of its own, forked from this one, which has prepared all it needs.
"""

import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any
from unittest import mock

from altpeter_matrix.apply.generations import Store
from altpeter_matrix.apply.transaction import apply
from altpeter_matrix.base.accounts import read_accounts

from ..fake_host import FakeHost, make

_CHANGES = {
    "os.rename", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.chown",
    "os.truncate", "subprocess.Popen",
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def assert_whole(host: FakeHost) -> None:
    """What nginx and Synapse would load after a power cut at this moment."""
    paths = host.paths
    if not paths.current.is_symlink():
        assert not (paths.root / "etc/nginx/sites-enabled/altpeter-matrix").is_symlink()
        return
    store = Store(paths, read_accounts(host.root))
    current = store.current()
    assert current is not None, "current leads to a generation without a record"
    assert store.tampering(current) == []


def run(root: str, deadly: int | None) -> int:
    """Apply in this process; the number of moments."""
    host = FakeHost(Path(root))
    moments = 0
    torn: list[str] = []
    looking = False

    def look(event: str) -> None:
        nonlocal looking
        looking = True
        try:
            assert_whole(host)
        except AssertionError as error:
            torn.append(f"before moment {moments}, {event}: {error}")
        finally:
            looking = False

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal moments
        if looking:
            return
        flags = arguments[2] if event == "open" else 0
        writes = isinstance(flags, int) and bool(flags & _WRITING)
        if event in _CHANGES or writes:
            moments += 1
            if deadly == 0:
                look(event)
            if moments == deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    apply(host.host)
    assert not torn, torn
    return moments


def forked(root: str, deadly: int | None, environment: dict[str, str]) -> dict[str, Any]:
    """The same in a process of its own."""
    answer, written = os.pipe()
    child = os.fork()
    if child == 0:
        os.environ.update(environment)
        tempfile.tempdir = None  # $TMPDIR is another one now
        try:
            said: dict[str, Any] = {"moments": run(root, deadly), "error": ""}
        except BaseException:
            said = {"moments": 0, "error": traceback.format_exc()}
        with os.fdopen(written, "w", encoding="utf-8") as pipe:
            json.dump(said, pipe)
        os._exit(1 if said["error"] else 0)
    os.close(written)
    with os.fdopen(answer, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    said = json.loads(text) if text else {"moments": 0, "error": ""}
    return {"status": os.waitstatus_to_exitcode(status), **said}


def prepare() -> None:
    """Have imported and compiled here what an apply imports and compiles when it needs it."""
    with tempfile.TemporaryDirectory() as scratch:
        host = make(Path(scratch) / "root")
        with mock.patch.dict(os.environ, host.environment):
            apply(host.host)


if __name__ == "__main__":
    # Killed, a process loses nothing that it has written.
    os.fsync = lambda fd: None
    prepare()
    for line in sys.stdin:
        print(json.dumps(forked(**json.loads(line))), flush=True)
