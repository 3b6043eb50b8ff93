"""The secrets of this host: generated here, once, and readable by those who need them only."""

import os
import secrets
from pathlib import Path

from ..base import disk
from ..base.errors import HostError, Problem, SettingsError
from ..base.paths import Paths
from ..base.text import decoded, only_line
from ..settings.model import Settings

# Synapse logs everybody out when the macaroon key changes: these files are never written twice.
GENERATED = ("macaroon_secret_key", "form_secret", "registration_shared_secret")


def ensure(paths: Paths, group: int) -> None:
    """Make the directory and the secrets that are missing; give the others their mode back."""
    disk.ensure_directory(paths.configuration, 0o755)
    disk.ensure_directory(paths.secrets, 0o750, group)
    for name in GENERATED:
        path = paths.secrets / name
        if not path.exists():
            disk.replace(path, f"{secrets.token_urlsafe(48)}\n".encode(), 0o640, group)
        elif not path.read_bytes().strip():
            raise HostError(
                Problem(
                    str(path),
                    "is empty",
                    "put the old secret back from your backup; to have a new one made (users are"
                    " logged out), delete the file",
                )
            )
        elif path.stat().st_mode & 0o7777 != 0o640 or path.stat().st_gid != group:
            _protect(path, 0o640, group)


def _protect(path: Path, mode: int, group: int) -> None:
    os.chown(path, 0 if os.geteuid() == 0 else -1, group)
    path.chmod(mode)


def smtp_password(paths: Paths, settings: Settings) -> str | None:
    """The password of the mail account, when the settings name one."""
    if settings.email is None or settings.email.username is None:
        return None
    return _own_line(
        paths, settings.email.password_file,
        Problem(
            str(settings.email.password_file),
            "is missing, and settings.yaml: email.username names an account",
            "write the account's password into it (mode 0600), or remove email.username",
        ),
    )  # fmt: skip


def webhook_token(paths: Paths, settings: Settings) -> str | None:
    """What the webhook is logged in to with, when the settings name a file."""
    webhook = settings.notify.webhook
    if webhook is None or webhook.token_file is None:
        return None
    return _own_line(
        paths, webhook.token_file,
        Problem(
            str(webhook.token_file),
            "is missing, and settings.yaml: notify.webhook.token_file names it",
            "write the token into it (mode 0600), or remove token_file",
        ),
    )  # fmt: skip


def _own_line(paths: Paths, file: Path, missing: Problem) -> str:
    """A secret that the administrator has put into a file of its own."""
    path = paths.on_host(file)
    try:
        secret = only_line(decoded(path.read_bytes()))
    except FileNotFoundError:
        raise SettingsError(missing) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            Problem(str(file), f"cannot be read ({error})", "make it a text file of one line")
        ) from None
    if secret is None:
        raise SettingsError(
            Problem(str(file), "does not hold one line", "write only the secret into it")
        )
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    return secret


def registration_secret(paths: Paths) -> str:
    """As Synapse reads the file, without the white space around it: both must read the same."""
    path = paths.secrets / "registration_shared_secret"
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise HostError(
            Problem(str(path), "is missing", "run `altpeter-matrix apply`; it makes one")
        ) from None
