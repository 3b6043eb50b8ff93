"""What contradicts itself in `backup:`."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Backup, Settings

# What is backed up, or belongs to programs that are; and what does not outlast a reboot.
_NO_PLACE = (
    "/etc", "/var/lib/altpeter-matrix", "/var/lib/matrix-synapse", "/var/lib/postgresql", "/dev",
    "/proc", "/run", "/sys", "/tmp", "/usr", "/var/run", "/var/tmp",  # nosec B108 - refused
)  # fmt: skip


def contradictions(settings: "Settings") -> Iterator[tuple[str, str, str]]:
    """Key, what is wrong, remedy."""
    backup = settings.backup
    if backup is None:
        return
    directory, archive = backup.to.directory, backup.point_in_time
    if directory is not None:
        yield from _unsafe("backup.to", directory, "/srv/backup/matrix, on another disk at best")
    if archive is not None:
        where = PurePosixPath(archive)
        yield from _unsafe("backup.point_in_time", where, "/mnt/backup/matrix-wal")
        if directory is not None and (
            directory in {where, *where.parents} or where in directory.parents
        ):
            yield (
                "backup.point_in_time", f"{where} and backup.to, {directory}, are in each other",
                "write a directory beside it, as in"
                f" {directory.with_name(f'{directory.name}-wal')}",
            )  # fmt: skip
    yield from _files(backup)


def _unsafe(key: str, directory: PurePosixPath, example: str) -> Iterator[tuple[str, str, str]]:
    if directory == PurePosixPath("/"):
        yield key, "is the whole disk", f"write a directory of its own, as in {example}"
    for place in map(PurePosixPath, _NO_PLACE):
        if directory == place or place in directory.parents:
            yield (
                key, f"{directory} is in {place}, where no backup is safe",
                f"write a directory of its own, as in {example}",
            )  # fmt: skip


def _files(backup: "Backup") -> Iterator[tuple[str, str, str]]:
    named = {"password_file": backup.password_file}
    if backup.to.kind == "sftp":
        named["ssh_key_file"] = backup.ssh_key_file
    if backup.to.kind == "s3":
        named["s3_keys_file"] = backup.s3_keys_file
    directory = backup.to.directory
    for key, file in named.items():
        if directory is not None and directory in PurePosixPath(file).parents:
            yield (
                f"backup.{key}", f"{file} is beside what it protects, in {directory}",
                f"leave it out: it is in /etc/altpeter-matrix/secrets then, and not in {directory}",
            )  # fmt: skip
    if len(set(named.values())) < len(named):
        yield "backup.password_file", "names the file of another secret", "write another file"
