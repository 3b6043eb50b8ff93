"""What restic needs to get at a repository: its address, the password, the keys of its place."""

import os
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..base import disk
from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.resources import document
from ..base.text import decoded, only_line
from ..settings.backup_place import BackupPlace
from ..settings.model import Backup

_KIB = 1024
_S3_LINE = re.compile(r"(AWS_[A-Z_]+)=(\S+)")
_S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@dataclass(frozen=True)
class Access:
    """A repository and how to get there. bandwidth: bytes in a second, for what is sent."""

    place: BackupPlace
    password_file: Path
    ssh_key_file: Path
    ssh_port: int
    s3_keys_file: Path
    bandwidth: int | None = None

    @classmethod
    def by(cls, backup: Backup) -> "Access":
        return cls(
            backup.to, backup.password_file, backup.ssh_key_file, backup.ssh_port,
            backup.s3_keys_file, backup.bandwidth,
        )  # fmt: skip

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """All that opens it. ssh takes a key for the one that its public half says."""
        return self.password_file, self.ssh_key_file, self._public_key, self.s3_keys_file

    @property
    def _public_key(self) -> Path:
        return self.ssh_key_file.with_name(f"{self.ssh_key_file.name}.pub")

    def options(self, paths: Paths) -> Iterator[str]:
        """For restic's command line: nothing here is secret."""
        yield from ("--repo", self.place.text, "--password-file", str(self.password_file))
        yield from ("--cache-dir", str(paths.backup_cache), "--cleanup-cache")
        if self.bandwidth is not None:
            yield f"--limit-upload={max(1, self.bandwidth // _KIB)}"
        if self.place.kind == "sftp":
            yield from ("--option", f"sftp.command={shlex.join(self._ssh(paths))}")

    def _ssh(self, paths: Paths) -> Iterator[str]:
        yield from ("ssh", "-i", str(self.ssh_key_file), "-p", str(self.ssh_port))
        for option in (
            "BatchMode=yes", "IdentitiesOnly=yes", "ConnectTimeout=30",
            # The first answer is believed, and no other one afterwards; restic's own encryption
            # is what keeps a false server from reading or changing anything.
            "StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={paths.backup_known_hosts}",
            "ServerAliveInterval=15", "ServerAliveCountMax=4",
        ):  # fmt: skip
            yield from ("-o", option)
        yield from ("-l", self.place.user, self.place.host, "-s", "sftp")

    def variables(self) -> Mapping[str, str]:
        """For restic's environment, which root alone can read."""
        if self.place.kind != "s3":
            return {}
        where = str(self.s3_keys_file)
        write = "write a line `AWS_ACCESS_KEY_ID=…` and a line `AWS_SECRET_ACCESS_KEY=…` into it"
        try:
            text = decoded(self.s3_keys_file.read_bytes())
        except FileNotFoundError:
            raise HostError(Problem(where, "is missing", f"{write} (mode 0600)")) from None
        except UnicodeDecodeError:
            raise HostError(Problem(where, "is no text", write)) from None
        _keep_private(self.s3_keys_file)
        found = dict(_S3_LINE.findall(text))
        if missing := [key for key in _S3_KEYS if key not in found]:
            raise HostError(Problem(where, f"has no {missing[0]}", write))
        return found

    def require_password(self) -> None:
        """HostError unless the password is there."""
        where = str(self.password_file)
        try:
            password = only_line(decoded(self.password_file.read_bytes()))
        except FileNotFoundError:
            raise HostError(
                Problem(
                    where, f"is missing, and {self.place} cannot be read without it",
                    f"write the password of that repository into it (mode 0600); {_drawer()}",
                )
            ) from None  # fmt: skip
        except UnicodeDecodeError:
            password = None
        if not password:
            raise HostError(
                Problem(where, "does not hold one line", "write only the password into it")
            )
        _keep_private(self.password_file)

    def make_password(self) -> bool:
        """Make one for a new repository, where there is none; whether it was made."""
        if os.path.lexists(self.password_file):
            return False
        disk.replace(self.password_file, f"{secrets.token_urlsafe(32)}\n".encode(), 0o600)
        return True

    def ensure_ssh_key(self) -> None:
        """Make the key that logs in at the other machine; HostError says what to do with it."""
        if self.place.kind != "sftp":
            return
        if self.ssh_key_file.exists():
            _keep_private(self.ssh_key_file)
            if self._public_key.exists():
                _keep_private(self._public_key)
            return
        run(
            "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "altpeter-matrix backup",
            "-f", self.ssh_key_file,
        )  # fmt: skip
        _keep_private(self._public_key)
        raise HostError(
            Problem(
                str(self.ssh_key_file), "was made, and the other machine does not know it yet",
                f"{self.key_remedy()}, then try again",
            )
        )  # fmt: skip

    def key_remedy(self) -> str:
        """Where its public half has to go."""
        try:
            public = self._public_key.read_text("utf-8")
        except OSError:
            public = "its public half"
        return (
            f"add this line to ~/.ssh/authorized_keys of {self.place.user} at {self.place.host}:"
            f" `{public.strip()}`"
        )


def _keep_private(file: Path) -> None:
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)


def _drawer() -> str:
    return f"{document('backup.md')} says where it should be noted"
