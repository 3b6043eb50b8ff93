"""Where backups go, and when: `sftp:backup@nas.example.org:/srv/matrix`, `03:30`."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from .formats import check_absolute_path, check_host, check_http_url
from .quantities import near_sizes, parse_size
from .remedies import NotInFormat, is_line, visible

_LEAST_BANDWIDTH = 1024

Kind = Literal["directory", "sftp", "s3"]
_EXAMPLE = (
    "sftp:USER@HOST:/PATH, s3:https://HOST/BUCKET, or the full path of a directory, as in"
    " /srv/backup/matrix"
)
_SFTP = re.compile(
    r"sftp:([A-Za-z0-9_][A-Za-z0-9_.-]*)@([^@/\s\[\]]+|\[[0-9A-Fa-f:.]+\]):([^\s:].*)"
)


@dataclass(frozen=True)
class BackupPlace:
    """A repository of restic. text: as it is written in the settings, and as restic has it."""

    kind: Kind
    text: str
    user: str = ""
    host: str = ""

    @property
    def directory(self) -> PurePosixPath | None:
        """On this host; None: it is elsewhere."""
        return PurePosixPath(self.text) if self.kind == "directory" else None

    def __str__(self) -> str:
        return self.text


def parse_place(value: str) -> BackupPlace:
    """Where a text says that backups go; ValueError says what is wrong with it, and a remedy."""
    if value.startswith("/"):
        check_absolute_path(value)
        if value == "/":
            raise ValueError("is the whole disk; write a directory, as in /srv/backup/matrix")
        return BackupPlace("directory", value)
    if value.startswith("s3:") and is_line(value) and _is_bucket(value.removeprefix("s3:")):
        return BackupPlace("s3", value, host=urlsplit(value.removeprefix("s3:")).hostname or "")
    if (found := _SFTP.fullmatch(value)) and is_line(value):
        user, host, _path = found.groups()
        check_host(host.strip("[]"))
        return BackupPlace("sftp", value, user, host.strip("[]"))
    near = visible(value)
    scp = near if near.startswith("sftp:") else f"sftp:{near.removeprefix('ssh:').lstrip('/')}"
    bucket = near.removeprefix("s3:").removeprefix("//")
    known = (scp,) if "@" in near else (f"s3:https://{bucket}",) if near.startswith("s3:") else ()
    raise NotInFormat("is no place for backups", check_place, known, _EXAMPLE)


def _is_bucket(address: str) -> bool:
    """Whether it names a bucket of an S3 server."""
    try:
        check_http_url(address)
    except ValueError:
        return False
    parts = urlsplit(address)
    return bool(parts.path.strip("/")) and not (parts.query or parts.fragment)


def check_place(value: str) -> None:
    """Where restic can put a repository."""
    parse_place(value)


def check_time_of_day(value: str) -> None:
    """Hours and minutes of a day."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        near = visible(value).lower().removesuffix("h").replace(".", ":")
        hours = near if ":" in near else f"{near}:00"
        what = "is not a time of the day"
        raise NotInFormat(what, check_time_of_day, (hours, f"0{hours}"), '"03:30"')


def check_bandwidth(value: str) -> None:
    """A size that is sent in a second; restic counts in KiB."""
    try:
        size = parse_size(value)
    except ValueError as error:
        what = str(error).partition("; ")[0]
        raise NotInFormat(what, check_bandwidth, near_sizes(value), "5M") from None
    if size < _LEAST_BANDWIDTH:
        raise ValueError("is too little; write 1K or more")
