"""What a backup says of itself: what is in it, what it was made of, and how much there was."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..base import disk
from ..base.accounts import SYNAPSE_USER, read_accounts
from ..base.errors import HostError, Problem
from ..base.failures import package_version
from ..base.paths import Paths
from ..base.state_file import known_fields
from ..synapse import config_files
from .catalogue import Backup
from .restic import Restic

_FORMAT = 1
_COMPARED = ("users", "rooms", "events", "media")
_MEDIA = "/var/lib/matrix-synapse/media"
# Of what other servers have, and of previews, there is more to be had.
_LOCAL = ("local_content", "local_thumbnails")


@dataclass(frozen=True)
class Manifest:
    """size, sha256: of the dump. before, after: what was counted when the dump began, and when it
    had ended. user, group: the numbers of Synapse's, as files in the backup have them."""

    name: str
    server: str
    version: str
    database: str
    size: int
    sha256: str
    before: Mapping[str, int]
    after: Mapping[str, int]
    user: int
    group: int
    media: str
    files: tuple[str, ...] = field(default=())  # besides the media

    def write(self, file: Path) -> Path:
        text = json.dumps({"format": _FORMAT, **asdict(self)}, indent=2)
        disk.replace(file, text.encode(), 0o600)
        return file


def of_host(paths: Paths, name: str, server: str, database: str) -> Manifest:
    """Of a backup that is about to be made."""
    options = config_files.in_force(paths)
    accounts = read_accounts(paths.root)
    return Manifest(
        name=name, server=server, version=package_version(), database=database, size=0, sha256="",
        before={}, after={},
        user=accounts.ids.get(SYNAPSE_USER, 0), group=accounts.users.get(SYNAPSE_USER, 0),
        media=str(options.get("media_store_path") or _MEDIA),
        files=tuple(dict.fromkeys((*_configuration(paths), *_named(options)))),
    )  # fmt: skip


def media_directories(media: str) -> list[str]:
    return [f"{media.rstrip('/')}/{name}" for name in _LOCAL]


def _configuration(paths: Paths) -> tuple[str, str]:
    """The settings with the secrets, and Synapse's files with the signing key. No certificate: a
    new host gets one within a minute, and its private key is better in one place."""
    root = len(str(paths.root).rstrip("/"))
    return str(paths.configuration)[root:], str(paths.synapse)[root:]


def _named(options: Mapping[str, Any]) -> list[str]:
    """Files that Synapse's options name anywhere else."""
    found = [options.get("signing_key_path"), *(options.get("app_service_config_files") or ())]
    templates = options.get("templates")
    if isinstance(templates, Mapping):
        found.append(templates.get("custom_template_directory"))
    wanted = [str(one) for one in found if isinstance(one, str) and one.startswith("/")]
    return [one for one in wanted if not one.startswith(("/etc/matrix-synapse/", "/usr/"))]


def read(restic: Restic, backup: Backup) -> Manifest:
    """HostError when it is not there, or of a later version of this package."""
    return parsed(restic.read(backup.files, str(Paths().backup_manifest)), backup.name)


def parsed(text: bytes, name: str) -> Manifest:
    """The same of a text."""
    try:
        raw = json.loads(text)
        if raw["format"] == _FORMAT:
            found = Manifest(**known_fields(Manifest, raw))
            return replace(found, files=tuple(found.files))
        what = "was made by a later version of altpeter-matrix-config"
    except (ValueError, KeyError, TypeError):
        what = "does not say what is in it"
    raise HostError(
        Problem(
            f"the backup {name}", what,
            "install the newest version of this package, or take another backup",
        )
    )  # fmt: skip


def differences(described: Manifest, found: Mapping[str, int]) -> list[Problem]:
    """Of what was counted in a copy. While it was made the server went on, so a number is right
    between those of before and after."""
    wrong = []
    for name in _COMPARED:
        least, most = sorted((described.before[name], described.after[name]))
        if not least <= found[name] <= most:
            had = f"{least}" if least == most else f"{least} to {most}"
            wrong.append(
                Problem(
                    f"the backup {described.name}", f"has {found[name]} {name}, and had {had}",
                    "take another backup, and see `altpeter-matrix backup verify --all`",
                )
            )  # fmt: skip
    return wrong
