"""Locks: root's alone, every wait has an end, and who waits in vain is told who holds it.

In a directory that only root can enter: flock(2) needs no more than a file that can be opened, so
with a lock in a public place any user, a sandboxed Synapse too, could hold up apt for ever.
"""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from . import disk
from .errors import HostError, Problem
from .paths import Paths

# One change of the configuration at a time, whoever makes it.
APPLY = "apply"
# One check of a newer Synapse at a time: apt waits for the one that its own update has started.
UPGRADE_CHECK = "upgrade-check"
# Two writers, the check and the health gate, must not lose each other's entries.
HELD_BACK = "held-back"
# One backup, drill or restore at a time.
BACKUP = "backup"
# One run that gives back room at a time.
RECLAIM = "reclaim"
# One look at the server at a time that tells what it finds.
WATCH = "watch"

# After so many seconds `status` takes the holder for stuck. Synapse may migrate its database while
# it is restarted, which can take an hour.
# The first backup of a large server may take days.
_STUCK_AFTER = {
    APPLY: 3600.0, UPGRADE_CHECK: 1500.0, HELD_BACK: 300.0, BACKUP: 3 * 86400.0, WATCH: 1200.0,
    RECLAIM: 6 * 3600.0 + 1800.0,
}  # fmt: skip
# Where programs of 0.1 locked. One that was started before this version came may still be at work.
_BEFORE = {
    APPLY: "lock", UPGRADE_CHECK: "upgrade-check.lock", HELD_BACK: "held-back.lock",
}  # fmt: skip
_LOOK_EVERY = 0.1


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock. since: seconds since 1970; 0: unknown."""

    process: int = 0
    command: str = ""
    since: float = 0

    def __str__(self) -> str:
        if not self.process:
            return "a process that cannot be found"
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        since = f", since {began}" if self.since else ""
        return f"process {self.process} (`{self.command or '?'}`{since})"


@contextmanager
def exclusive(paths: Paths, wait: float = 60) -> Iterator[None]:
    """One apply at a time, whoever starts it: a person, a package or the deploy."""
    with locked(paths, APPLY, wait):
        yield


@contextmanager
def locked(paths: Paths, name: str, wait: float) -> Iterator[None]:
    """Hold a lock; the kernel drops it when the process dies, so a kill leaves no lock behind.

    HostError when somebody else has it for all the seconds of `wait`.
    """
    disk.ensure_directory(paths.runtime, 0o755)
    disk.ensure_directory(paths.locks, 0o700)
    deadline = time.monotonic() + wait
    file = paths.locks / name
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(file, flags, 0o600)
    former = None
    try:
        _acquire(descriptor, file, wait, deadline)
        if name in _BEFORE:
            former = _former(paths.runtime / _BEFORE[name], wait, deadline)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {time.time():.0f}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
        if former is not None:
            os.close(former)


def held(paths: Paths, name: str) -> bool:
    """Whether somebody has a lock just now. It can be opened by root only, as it was made."""
    try:
        descriptor = os.open(paths.locks / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        return _is_held(descriptor)
    finally:
        os.close(descriptor)


def stuck(paths: Paths) -> Iterator[Problem]:
    """Locks that somebody holds for longer than our programs ever should."""
    for name, bound in _STUCK_AFTER.items():
        file = paths.locks / name
        try:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            holder = _holder(descriptor) if _is_held(descriptor) else None
        finally:
            os.close(descriptor)
        # A clock that was set back must not hide it.
        if holder is not None and holder.since and abs(time.time() - holder.since) > bound:
            yield Problem(
                str(file), f"is held by {holder}, for longer than it ever should be",
                f"look at `ps {holder.process}`; if it does nothing, `kill {holder.process}`",
            )  # fmt: skip


def _acquire(descriptor: int, file: Path, wait: float, deadline: float) -> None:
    told = False
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        holder = _holder(descriptor) or Holder()
        if time.monotonic() >= deadline:
            raise HostError(_in_use(file, holder, wait))
        if not told:
            print(f"Waiting for another altpeter-matrix: {holder}.", file=sys.stderr)
            told = True
        time.sleep(_LOOK_EVERY)


def _in_use(file: Path, holder: Holder, wait: float) -> Problem:
    look = f", or look at it with `ps {holder.process}`" if holder.process else ""
    return Problem(
        str(file),
        f"another altpeter-matrix, {holder}, has been at work for more than {wait:.0f} s",
        f"wait for it{look}, then try again",
    )


def _former(file: Path, wait: float, deadline: float) -> int | None:
    """Keep a program of 0.1 out for as long as ours is at work; None where there is none.

    Every user could open its lock. Only root's processes are waited for.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        os.fchmod(descriptor, 0o600)
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            holder = _holder(descriptor)
            if holder is None or not _is_ours(holder.process):
                break
            if time.monotonic() >= deadline:
                raise HostError(_in_use(file, holder, wait))
            time.sleep(_LOOK_EVERY)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_ours(process: int) -> bool:
    """Not by the owner of its directory in /proc, which a process can make root by itself."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    users = next((line.split()[1:] for line in status.splitlines() if line[:4] == "Uid:"), [])
    return bool(users) and set(users) == {str(os.geteuid())}


def _is_held(descriptor: int) -> bool:
    """Whoever wants the lock in this very moment tries again."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _holder(descriptor: int) -> Holder | None:
    """Who holds the lock of an open file, by /proc/locks (proc_locks(5)), else by what was noted.

    The kernel names who has taken it, also when that has ended and left it to a child.
    """
    state = os.fstat(descriptor)
    place = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
    try:
        rows = [line.split() for line in Path("/proc/locks").read_text("ascii").splitlines()]
    except OSError:
        return None
    for row in rows:
        # Those who wait for it have an arrow there.
        if len(row) > 5 and row[1] == "FLOCK" and row[5] == place and row[4].isdigit():
            process = int(row[4])
            return Holder(process, _command(process), _since(descriptor, process))
    noted = os.pread(descriptor, 64, 0).split()
    if len(noted) == 2 and all(one.isdigit() for one in noted) and _command(int(noted[0])):
        return Holder(int(noted[0]), _command(int(noted[0])), float(noted[1]))
    return None


def _command(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    text = b" ".join(words).decode(errors="replace").strip()
    return "".join(one if one.isprintable() else "?" for one in text)[:200]


def _since(descriptor: int, process: int) -> float:
    """When it took the lock, as it noted itself; of another program, when that was started."""
    noted = os.pread(descriptor, 64, 0).split()
    if len(noted) == 2 and noted[0] == str(process).encode() and noted[1].isdigit():
        return float(noted[1])
    try:
        # proc_pid_stat(5): field 22; the second one, a name, may hold blanks and brackets.
        started = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2]
        up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return time.time() - up + int(started.split()[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0
