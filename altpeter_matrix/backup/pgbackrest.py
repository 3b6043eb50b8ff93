"""pgBackRest, as this package runs it: as PostgreSQL's user, with a configuration of our own."""

import json
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base import disk
from ..base.commands import Result, last_lines
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..postgresql import cluster_files
from ..postgresql.archiving import PROGRAM, STANZA
from ..postgresql.layout import PORT, SOCKET_DIRECTORY
from .archive_content import Content, parsed
from .processes import attended

PACKAGE = "pgbackrest"
_SAID_MOVED = "stanza-upgrade"
_LOCKS = "/run/postgresql/altpeter-matrix-pgbackrest"


def require_program() -> None:
    """HostError unless it is there."""
    if shutil.which(PROGRAM) is None:
        raise HostError(Problem(PACKAGE, "is not installed", f"`apt install {PACKAGE}`"))


def configuration(place: Path, password: str, data: Path, days: int, queue: int) -> str:
    """days: of which each moment can be restored to. queue: bytes that may wait for the place."""
    return f"""\
# Written by altpeter-matrix, from its settings (backup.point_in_time).
[global]
repo1-path={place}
repo1-cipher-type=aes-256-cbc
repo1-cipher-pass={password}
repo1-retention-full-type=time
repo1-retention-full={days}
repo1-bundle=y
compress-type=zst
start-fast=y
archive-push-queue-max={queue}
lock-path={_LOCKS}
log-level-file=off
log-level-console=off
log-level-stderr=warn
log-timestamp=n

[{STANZA}]
pg1-path={data}
pg1-port={PORT}
pg1-socket-path={SOCKET_DIRECTORY}
"""


@dataclass(frozen=True)
class PgBackRest:
    """An archive, by the file of its configuration."""

    paths: Paths
    place: Path
    file: Path

    def configure(self, text: str) -> None:
        """Write the configuration, which only PostgreSQL's user reads: the key is in it."""
        disk.ensure_directory(self.file.parent, 0o755)
        owner = pwd.getpwnam(cluster_files.OWNER)
        disk.replace(self.file, text.encode(), 0o600, owner.pw_gid, owner.pw_uid)

    def command(self, *words: str) -> Sequence[str]:
        return (
            "runuser", "-u", cluster_files.OWNER, "--", PROGRAM, f"--config={self.file}",
            f"--stanza={STANZA}", *words,
        )  # fmt: skip

    def run(self, *words: str, check: bool = True) -> Result:
        """Run it to its end, for as long as that takes."""
        result = attended(self.command(*words), {}, lambda: None)
        if check and not result.ok:
            raise self.failure(result, words[0])
        return result

    def content(self, segment_size: int) -> Content:
        """What it has. HostError when it cannot be looked at."""
        info = json.loads(self.run("info", "--output=json").stdout or "[]")
        listed = self.run("repo-ls", "--recurse", "--output=json", f"archive/{STANZA}")
        return parsed(info, json.loads(listed.stdout or "{}"), segment_size)

    def make(self) -> None:
        """Make what holds the files of this cluster, or of the one that has taken its place."""
        made = self.run("stanza-create", check=False)
        if not made.ok and _SAID_MOVED in made.output:
            self.run("stanza-upgrade")
        elif not made.ok:
            raise self.failure(made, "stanza-create")

    def failure(self, result: Result, what: str) -> HostError:
        """What to raise for a run that failed."""
        said = last_lines(result.stderr or result.stdout, 4)
        return HostError(
            Problem(
                str(self.place),
                f"pgBackRest {what} failed with status {result.returncode}: {said}",
                "remove the cause, then `altpeter-matrix backup now`",
            )
        )  # fmt: skip
