"""What the health gate sees of this host: Synapse's unit, its database, dpkg."""

import fcntl
import os
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..apply import host_facts
from ..apply.generations import Store
from ..apply.services import SYNAPSE, UNITS
from ..apt.release import Release
from ..base.accounts import SYNAPSE_USER, read_accounts
from ..base.commands import run
from ..base.errors import HostError
from ..base.paths import Paths
from ..postgresql.connection import Statement, as_superuser, number

_PROPERTIES = (
    "ActiveState,SubState,Result,NRestarts,MainPID,ExecMainStartTimestamp,LoadState,UnitFileState"
)
_TELLING = re.compile(r"error|exception|fatal|\bkilled\b|out of memory", re.IGNORECASE)
_ORDINARY = re.compile(r" - (INFO|DEBUG) - ")
# struct flock, see fcntl(2): type, whence, start, length, and the process that holds it. Python is
# built for files of 64 bits on every architecture, and aligns as C does.
_FLOCK = "hhqqi"
_LOCKS = ("var/lib/dpkg/lock-frontend", "var/lib/dpkg/lock")
# A process that leaves the host less than this, and has most of it itself, is about to fall.
_LEAST_AVAILABLE = 0.04


@dataclass(frozen=True)
class Installed:
    """The Synapse that dpkg has. status: as dpkg-query(1) has it, `installed` when all is done.

    unfit: dpkg refuses to go on with it (reinst-required), only to install a version anew.
    """

    release: Release
    status: str = "installed"
    unfit: bool = False

    @property
    def configured(self) -> bool:
        return self.status == "installed"

    @property
    def half_replaced(self) -> bool:
        """dpkg is, or was, between two versions. The release is the older one while it is
        half-installed, and the newer one when all but the old files' removal is done."""
        return self.status == "half-installed" or self.unfit

    @property
    def incomplete(self) -> bool:
        """What it needs of other packages may be missing, too."""
        return self.status in {"half-installed", "unpacked"}


def installed() -> Installed | None:
    """What dpkg says; None when Synapse is not installed."""
    shown = run(
        "dpkg-query", "--show",
        "--showformat=${Package}\t${Version}\t${db:Status-Status}\t${db:Status-Eflag}\n",
        *host_facts.SYNAPSE_PYTHONS, check=False,
    )  # fmt: skip
    for line in shown.stdout.splitlines():
        package, version, status, flag = line.split("\t")
        if version and status not in {"not-installed", "config-files"}:
            return Installed(Release(package, version), status, unfit=flag == "reinstreq")
    return None


def unit() -> Mapping[str, str]:
    """Synapse's unit, as `systemctl show` has it; times as Unix times after an @."""
    shown = run(
        "systemctl", "show", "--timestamp=unix", "--property", _PROPERTIES, UNITS[SYNAPSE],
        timeout=30,
    )  # fmt: skip
    return dict(line.partition("=")[::2] for line in shown.stdout.splitlines())


def restarts() -> int:
    """How often systemd has restarted it by itself."""
    return int(unit().get("NRestarts") or 0)


def began_before(paths: Paths, package: str, unit: Mapping[str, str]) -> bool:
    """Did what runs begin before dpkg unpacked the version that is there? dpkg writes the list of
    a package's files when it has unpacked them."""
    began = unit.get("ExecMainStartTimestamp", "").lstrip("@")
    with suppress(OSError, ValueError):
        listed = (paths.root / f"var/lib/dpkg/info/{package}.list").stat().st_mtime
        return int(unit.get("MainPID") or 0) > 0 and int(began) + 1 < listed
    return False


def spoilt(paths: Paths) -> bool:
    """Has somebody changed the generated files that Synapse reads?"""
    with suppress(HostError):
        store = Store(paths, read_accounts(paths.root))
        generation = store.current()
        if generation is not None:
            changed = (one.file for one in store.tampering(generation))
            return any(file.is_relative_to(generation.directory / "synapse") for file in changed)
    return False


def listens(port: int) -> bool:
    """Does anything accept connections there?"""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def works_in_database(name: str | None) -> tuple[bool | None, bool]:
    """Whether PostgreSQL answers (None: it is not on this host), and whether Synapse is just at
    work there, in a transaction that is not waiting for it."""
    if name is None:
        return None, False
    try:
        [found] = as_superuser(
            Statement(
                "select pg_catalog.count(*) from pg_catalog.pg_stat_activity"
                " where datname = %s and usename = %s and xact_start is not null"
                " and (state = 'active'"
                " or state_change > pg_catalog.clock_timestamp() - interval '10 seconds')",
                (name, SYNAPSE_USER),
            )
        )
    except HostError:
        return False, False
    return True, number(found) != 0


def hungry(paths: Paths, pid: int) -> str | None:
    """Why the memory of a process is too much for the host; None: it is not.

    Said before the kernel's out-of-memory killer chooses, which may take PostgreSQL.
    """
    try:
        memory = _kilobytes(paths.root / "proc/meminfo")
        process = _kilobytes(paths.root / f"proc/{pid}/status")
    except (OSError, ValueError):
        return None
    total = memory.get("MemTotal", 0)
    available = memory.get("MemAvailable", 0) + memory.get("SwapFree", 0)
    resident = process.get("VmRSS", 0)
    if not total or available > total * _LEAST_AVAILABLE or resident < total / 2:
        return None
    return f"uses {resident // 1024} MB of memory and leaves {available // 1024} MB"


def _kilobytes(file: Path) -> dict[str, int]:
    rows = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) == 3 and row[2] == "kB"}


def dpkg_busy(paths: Paths) -> bool:
    """Is apt or dpkg at work? This only asks, so whoever wants the lock meanwhile gets it."""
    return any(_is_locked(paths.root / name) for name in _LOCKS)


def _is_locked(path: Path) -> bool:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return False
    with file:
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(file, fcntl.F_GETLK, wanted)
    kind: int = struct.unpack(_FLOCK, answer)[0]
    return kind != fcntl.F_UNLCK


@contextmanager
def dpkg_locked(paths: Paths) -> Iterator[None]:
    """Keep apt and other dpkgs out; BlockingIOError when one is at work.

    A dpkg that is started meanwhile needs DPKG_FRONTEND_LOCKED=1 in its environment.
    """
    descriptors: list[int] = []
    try:
        for name in _LOCKS:
            path = paths.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptors.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640))
            try:
                fcntl.lockf(descriptors[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except PermissionError as refused:  # POSIX allows EACCES for "locked", too
                raise BlockingIOError from refused
        # The second is dpkg's own: a frontend, as we are, leaves it to dpkg.
        os.close(descriptors.pop())
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def boot_id(paths: Paths) -> str:
    try:
        return (paths.root / "proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def said(since: int, lines: int = 200) -> str | None:
    """What Synapse or systemd said last about a failure, on one line. since: a Unix time."""
    try:
        shown = run(
            "journalctl", "--unit", UNITS[SYNAPSE], f"--since=@{since}", f"--lines={lines}",
            "--output=cat", "--no-pager", check=False,
        )  # fmt: skip
    except HostError:
        return None  # a slow journal must not keep anybody from going back
    return telling(shown.stdout)


def telling(log: str) -> str | None:
    """The last line that names a failure; with what follows, where it ends in a colon."""
    lines = [line.strip() for line in log.splitlines()]
    found = [
        at for at, line in enumerate(lines) if _TELLING.search(line) and not _ORDINARY.search(line)
    ]
    if not found:
        return None
    last = found[-1]
    more = lines[last + 1 : last + 2] if lines[last].endswith(":") else []
    return " ".join([lines[last], *more])[:300]
