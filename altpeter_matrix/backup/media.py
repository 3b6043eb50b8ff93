"""Local media out of a backup into their place, while the server goes on: nothing there is ever
changed by Synapse, so what is there already may stay.

Root reads from the repository, and Synapse's user writes. In between only regular files and
directories get through that were that user's own on the host where the backup was made: a link
that led restic out of the media would else hand over what only root may read.
"""

import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath

from ..base.accounts import SYNAPSE_USER
from .catalogue import Backup
from .manifest import Manifest, media_directories
from .processes import Program, failed
from .restic import Restic


def restore(restic: Restic, backup: Backup, described: Manifest) -> int:
    """Put them into their place; how many files there were to write."""
    return sum(
        _directory(restic, backup, described, directory)
        for directory in _present(restic, backup, described)
    )


def _present(restic: Restic, backup: Backup, described: Manifest) -> Iterator[str]:
    listed = restic.run("ls", "--json", backup.files, described.media, check=False).stdout
    for directory in media_directories(described.media):
        if f'"path":"{directory}"' in listed:
            yield directory


def _directory(restic: Restic, backup: Backup, described: Manifest, directory: str) -> int:
    target = restic.paths.on_host(described.media)
    extract = (
        "runuser", "-u", SYNAPSE_USER, "--", "tar", "--extract", "--file=-",
        f"--directory={target}", "--no-same-owner", "--no-overwrite-dir",
    )  # fmt: skip
    written = 0
    with (
        restic.program("dump", "--archive", "tar", backup.files, directory) as source,
        Program(extract, {}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as sink,
    ):
        try:
            with (
                tarfile.open(fileobj=source.output, mode="r|") as found,
                tarfile.open(fileobj=sink.input, mode="w|") as kept,
            ):
                while (member := found.next()) is not None:
                    # Of millions, none is needed again; typeshed does not know the attribute.
                    found.members = kept.members = []  # type: ignore[attr-defined]
                    name = _name(member, described)
                    if name is None or _is_there(target / name, member):
                        continue
                    written += member.isreg()
                    content = found.extractfile(member) if member.isreg() else None
                    member.name, member.uname, member.gname = str(name), "", ""
                    kept.addfile(member, content)
        except BrokenPipeError:
            sink.wait(lambda: None)
            raise failed(sink) from None
        except tarfile.ReadError:
            source.wait(lambda: None)
            raise failed(source) from None
        with suppress(BrokenPipeError):
            sink.input.close()
        for program in (source, sink):
            if program.wait(lambda: None):
                raise failed(program)
    return written


def _name(member: tarfile.TarInfo, described: Manifest) -> PurePosixPath | None:
    """Its path below the media; None: it does not get there."""
    path, media = PurePosixPath("/", member.name), PurePosixPath(described.media)
    if not (member.isreg() or member.isdir()) or member.uid != described.user:
        return None
    if ".." in path.parts or media not in path.parents:
        return None
    return path.relative_to(media)


def _is_there(place: "os.PathLike[str]", member: tarfile.TarInfo) -> bool:
    try:
        state = os.lstat(place)
    except OSError:
        return False
    return member.isreg() and state.st_size == member.size
