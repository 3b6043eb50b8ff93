"""Running the code of a package that is not installed yet, so that it can harm nothing here.

It gets what Synapse's own unit has, from the same file, and less: a root of its own in which there
is nothing of this host but /usr and what is put there for it, nothing to write to, no socket, a
user that owns nothing and exists no longer than it does, and bounds of time, memory, processes and
output. systemd sets that up, and ends whatever the code leaves behind (systemd.exec(5),
systemd.resource-control(5), `systemd-run --pipe --wait`).
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from . import disk
from .commands import Result, last_lines, run
from .errors import HostError, Problem
from .paths import Paths

# One name, so that there is never more than one of them.
UNIT = "altpeter-matrix-candidate.service"
# An answer takes seconds; the machine may be slow, and busy.
SECONDS = 120
MEGABYTE = 1024**2
# What systemd-run itself needs for a unit that it has to end.
_GRACE = 30
_MOST_MEMORY = "1G"
_MOST_PROCESSES = 64
_HARDENING = re.compile(
    r"^(CapabilityBoundingSet|AmbientCapabilities|LockPersonality|NoNewPrivileges|Private\w+"
    r"|Protect\w+|RemoveIPC|Restrict\w+|SystemCall\w+)=.*$",
    re.MULTILINE,
)
_WITHOUT_NETWORK = (
    "PrivateNetwork=yes",
    "RestrictAddressFamilies=AF_UNIX",
    # None at all: the journal's sockets are there in every root.
    "SystemCallFilter=~socket",
)
_ROOT = (
    "DynamicUser=yes",
    "ProtectSystem=strict",
    "ProcSubset=pid",
    # Where a root of its own would have something to write to, which would use up a disk.
    "TemporaryFileSystem=/tmp:ro /var/tmp:ro /dev/shm:ro /dev/mqueue:ro /run:ro",
)
_BOUNDS = (
    f"MemoryMax={_MOST_MEMORY}",
    "MemorySwapMax=0",
    f"TasksMax={_MOST_PROCESSES}",
    "CPUWeight=20",
    "OOMScoreAdjust=1000",
    # The same once more, for a host without these controllers, as in a container.
    "LimitAS=4G",
    f"LimitNPROC={_MOST_PROCESSES}",
    # Its output goes to files.
    f"LimitFSIZE={MEGABYTE}",
    "LimitCORE=0",
    # Nothing that it could want to tidy up.
    "KillSignal=SIGKILL",
    "TimeoutStopSec=10",
)
# systemd.exec(5), "Process exit codes": what systemd could not set up before the program.
_NOT_SET_UP = range(200, 244)
# Of systemd-run itself.
_NOT_STARTED = ("Failed to ", "System has not been booted")


class NotConfined(HostError):
    """The code was not run, because this host cannot confine it."""


def hardening(drop_in: str) -> tuple[str, ...]:
    """What a drop-in forbids to its service, as properties for systemd-run(1)."""
    found = [match.group() for match in _HARDENING.finditer(drop_in)]
    return tuple(one for one in found if not one.startswith(("RestrictAddress", "ProtectSystem=")))


@contextmanager
def empty_root(paths: Paths) -> Iterator[Path]:
    """A directory to fill with what the code is to see of this host, each at its own path.

    Others cannot enter its parent, so files in it may be readable by everybody: there is no user
    yet to give them to.
    """
    # Not $TMPDIR, which may be anywhere; systemd has to find it.
    disk.ensure_directory(paths.runtime, 0o755)
    scratch = Path(tempfile.mkdtemp(prefix="sandbox.", dir=paths.runtime))
    try:
        root = scratch / "root"
        root.mkdir()
        root.chmod(0o755)
        yield root
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def tidy(paths: Paths) -> None:
    """Remove what a killed check left."""
    for scratch in paths.runtime.glob("sandbox.*"):
        shutil.rmtree(scratch, ignore_errors=True)


def ask(  # each is a fact of its own
    paths: Paths,
    *argv: str | Path,
    root: Path,
    shows: Iterable[Path] = (),
    text: str = "",
    seconds: int = SECONDS,
) -> Result:
    """Run a program in that root; HostError when it does not end in time or says too much.

    shows: directories of this host that it sees besides /usr. text: what it reads from its input.
    """
    if not paths.systemd_running.exists():
        raise NotConfined(_problem("is not run where systemd is not (a container, a chroot)"))
    command = ["systemd-run", *_options(paths, root, shows, seconds), "--", *map(str, argv)]
    with ExitStack() as files:
        into, out, errors = (
            files.enter_context(tempfile.TemporaryFile(dir=root.parent)) for _ in range(3)
        )
        into.write(text.encode())
        into.seek(0)
        _end()  # of a check that was killed
        begun = time.monotonic()
        status = _wait(command, into, out, errors, seconds)
        took = time.monotonic() - begun
        longest = max(stream.seek(0, os.SEEK_END) for stream in (out, errors))
        said = [_text(stream) for stream in (out, errors)]
    result = Result(tuple(map(str, argv)), status, *said)
    if took >= seconds:
        raise HostError(_problem(f"did not end within {seconds} s"))
    if longest >= MEGABYTE:
        raise HostError(_problem("says more than a megabyte"))
    if status in _NOT_SET_UP or (status == 1 and said[1].startswith(_NOT_STARTED)):
        raise NotConfined(_problem(f"cannot be confined on this host ({status}: {_end_of(said)})"))
    if status and not any(said):
        # A kill leaves no word. Why is in the journal: memory, most of the time.
        what = f"was killed (it may use {_MOST_MEMORY} of memory, {_MOST_PROCESSES} processes)"
        raise HostError(_problem(what))
    return result


def _options(paths: Paths, root: Path, shows: Iterable[Path], seconds: int) -> Iterator[str]:
    yield from ("--quiet", "--collect", "--wait", "--pipe", "--service-type=exec", f"--unit={UNIT}")
    yield "--description=Code of a Synapse that is not installed"
    yield from ("--setenv=LC_ALL=C.UTF-8", "--setenv=PYTHONDONTWRITEBYTECODE=1")
    seen = " ".join(map(str, ("/usr", "-/etc/ld.so.cache", *_top(root), *shows)))
    drop_in = paths.synapse_drop_in.read_text(encoding="utf-8")
    own = (f"RootDirectory={root}", f"BindReadOnlyPaths={seen}", f"RuntimeMaxSec={seconds}")
    for one in (*hardening(drop_in), *_WITHOUT_NETWORK, *_ROOT, *_BOUNDS, *own):
        yield f"--property={one}"


def _top(root: Path) -> Iterator[str]:
    """/bin and its kind: links into /usr, or on old hosts directories of their own."""
    for top in (Path("/bin"), Path("/sbin"), *sorted(Path("/").glob("lib*"))):
        if not top.is_symlink():
            yield f"-{top}"
        elif not (root / top.name).is_symlink():
            (root / top.name).symlink_to(top.readlink())


def _wait(
    command: list[str], into: IO[bytes], out: IO[bytes], errors: IO[bytes], seconds: int
) -> int:
    process = subprocess.Popen(command, stdin=into, stdout=out, stderr=errors, cwd="/")
    try:
        return process.wait(seconds + _GRACE)
    except subprocess.TimeoutExpired:
        return -1
    finally:
        if process.poll() is None:  # systemd does not answer, or somebody has pressed Ctrl-C
            process.kill()
            process.wait()
            _end()


def _end() -> None:
    """Have nothing of it run any more."""
    run("systemctl", "kill", "--signal=KILL", UNIT, check=False)
    run("systemctl", "stop", UNIT, check=False)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read(MEGABYTE).decode(errors="replace").strip()


def _end_of(said: list[str]) -> str:
    return last_lines("\n".join(said), 1)


def _problem(what: str) -> Problem:
    return Problem(
        "the candidate's code", what, "look at `journalctl -u altpeter-matrix-candidate`"
    )
