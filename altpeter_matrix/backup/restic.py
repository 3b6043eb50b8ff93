"""restic, as this package runs it: one repository, with errors that tell what to do."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..base import disk
from ..base.commands import Result, last_lines
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from .access import Access
from .processes import Program, attended

PACKAGE = "restic"
# restic 0.17 and later tell these apart by exit status, earlier ones by words alone.
_NO_REPOSITORY, _LOCKED, _WRONG_PASSWORD = 10, 11, 12
_SAID_NO_REPOSITORY = "Is there a repository at the following location?"
_SAID_WRONG_PASSWORD = "wrong password or no key found"  # nosec B105
_SAID_LOCKED = "repository is already locked"
_SAID_REFUSED = ("Permission denied (publickey", "Host key verification failed")
# What always stays free on a disk of this host: others need it, too.
_RESERVE = 1024**3
_SHARE = 10
_MIB = 1024**2


@dataclass(frozen=True)
class Restic:
    """A repository, and what can be done with it."""

    paths: Paths
    access: Access

    def prepare(self) -> None:
        """HostError unless restic is there and has what it needs to run."""
        if shutil.which(PACKAGE) is None:
            raise HostError(Problem(PACKAGE, "is not installed", f"`apt install {PACKAGE}`"))
        disk.ensure_directory(self.paths.backup_cache.parent, 0o755)
        disk.ensure_directory(self.paths.backup_cache, 0o700)

    def repository(self) -> str | None:
        """The number of the repository; None: there is none yet."""
        found = self.run("cat", "config", check=False)
        if found.ok:
            return str(json.loads(found.stdout)["id"])
        if found.returncode == _NO_REPOSITORY or _SAID_NO_REPOSITORY in found.output:
            return None
        raise self.failure(found)

    def make(self) -> str:
        """Make the repository; its number. restic never makes one in the place of another."""
        self.run("init")
        number = self.repository()
        if number is None:
            raise HostError(Problem(str(self.access.place), "keeps no repository", "look at it"))
        return number

    def unlock(self) -> None:
        """Remove locks of processes that are no more (`restic help unlock`): of this host's by
        their number, of another's when it has not renewed them for half an hour."""
        self.run("unlock")

    def run(self, *words: str, check: bool = True) -> Result:
        """Run restic to its end, and end it before the disk of a local repository is full."""
        argv = self.command(*words)
        result = attended(argv, self.access.variables(), self.require_room)
        if check and not result.ok:
            raise self.failure(result)
        return result

    def answer(self, *words: str) -> Any:
        """What restic says in JSON."""
        return json.loads(self.run(*words, "--json").stdout or "null")

    def program(self, *words: str, takes: bool = False) -> Program:
        """restic, for another program to feed (takes) or to be fed."""
        streams: Mapping[str, int] = (
            {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL} if takes else {}
        )
        return Program(self.command(*words), self.access.variables(), **streams)

    def command(self, *words: str) -> Sequence[str]:
        return [PACKAGE, words[0], *self.access.options(self.paths), *words[1:]]

    def read(self, snapshot: str, path: str) -> bytes:
        """One small file of a snapshot."""
        return self.run("dump", snapshot, path).stdout.encode()

    def require_room(self) -> None:
        """HostError when the disk of a local repository has no room to spare."""
        directory = self.access.place.directory
        if directory is None:
            return
        existing = self.paths.on_host(str(directory))
        try:
            state = os.statvfs(existing)
        except OSError as error:
            raise HostError(
                Problem(
                    str(directory), f"cannot be used ({error.strerror})",
                    f"mount the disk that it is on, or make it (`install -d -m 700 {directory}`)",
                )
            ) from None  # fmt: skip
        free = state.f_bavail * state.f_frsize
        least = min(_RESERVE, state.f_blocks * state.f_frsize // _SHARE)
        if free < least:
            raise HostError(
                Problem(
                    str(directory),
                    f"its disk has {free // _MIB} MiB left, and {least // _MIB} have to stay free",
                    "free some space, or keep fewer backups (backup.keep)",
                )
            )

    def failure(self, result: Result) -> HostError:
        """What to raise for a run of restic that failed."""
        where, said = str(self.access.place), result.output
        # How far it came is in the other stream.
        told = _said(result.stderr if result.stderr.strip() else result.stdout)
        if result.returncode == _NO_REPOSITORY or _SAID_NO_REPOSITORY in said:
            what = "holds no repository"
            return HostError(
                Problem(where, what, "mount what should be there, or `altpeter-matrix backup now`")
            )
        if result.returncode == _WRONG_PASSWORD or _SAID_WRONG_PASSWORD in said:
            return HostError(
                Problem(
                    str(self.access.password_file), f"is not the password of {where}",
                    "write the one that was noted when that repository was made into it",
                )
            )  # fmt: skip
        if result.returncode == _LOCKED or _SAID_LOCKED in said:
            what = "is in use by another restic"
            return HostError(Problem(where, what, "wait for it, or look at `restic list locks`"))
        if any(words in said for words in _SAID_REFUSED):
            what = f"does not let us in ({last_lines(told, 2)})"
            return HostError(Problem(where, what, self.access.key_remedy()))
        what = f"restic {result.argv[1]} failed with status {result.returncode}:"
        return HostError(
            Problem(where, f"{what} {last_lines(told)}", "remove the cause, then try again")
        )


def _said(output: str) -> str:
    """What restic said; of a command that answers in JSON, its errors are JSON from 0.17 on."""
    try:
        last = json.loads(output.strip().splitlines()[-1])
        return str(last["message"])
    except (ValueError, IndexError, KeyError, TypeError):
        return output
