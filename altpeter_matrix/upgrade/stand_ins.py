"""Synapse's configuration as a Synapse may see it that is not trusted yet.

Each file lies at its own path in another root, and each secret is replaced by something else of the
same kind: the parser is content with that, and there is nothing worth reading. Names decide what
is a secret; a value that they do not find cannot leave the sandbox either (base/sandbox.py).
"""

import base64
import hashlib
import os
import secrets
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ..base.accounts import SYNAPSE_USER, Accounts, read_accounts
from ..base.paths import Paths
from ..host.links import SYNAPSE as OUR_LINK
from ..settings.rules import SECRET_NAME
from ..synapse import config_files

_LARGEST = 1024**2
_MOST_FILES = 200
_SIGNING_KEY = "ed25519 a_stand {}\n"
# Already there in every root, see base/sandbox.py.
_SHOWN = ("/usr/", "/proc/", "/sys/", "/dev/")


@dataclass
class Copier:
    """Puts one generation's files into a root. Each secret becomes the same stand-in everywhere:
    Synapse refuses two application services with one token."""

    paths: Paths
    root: Path
    accounts: Accounts
    _salt: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _files: int = 0

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options with stand-ins; what they name on this host is put into the root."""
        return {key: self._value(str(key), value) for key, value in options.items()}

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.options(value)
        if isinstance(value, list):
            return [self._value(key, one) for one in value]
        if not isinstance(value, str):
            return value
        if key == "signing_key":
            return _signing_key()
        if SECRET_NAME.search(key):
            return self._stand_in(value)
        if value.startswith("/") and not value.startswith(_SHOWN):
            self._place(key, value)
        return value

    def _stand_in(self, secret: str) -> str:
        """As long as the secret, and of characters that every format allows."""
        made = hashlib.shake_128(self._salt + secret.encode()).hexdigest(len(secret) // 2 + 1)
        return made[: len(secret)]

    def _place(self, key: str, name: str) -> None:
        source, target = self.paths.on_host(name), self.root / name.lstrip("/")
        if ".." in Path(name).parts or target.is_file():
            return
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            if "template" in key:
                for file in sorted(source.iterdir()):
                    self._place(key, f"{name.rstrip('/')}/{file.name}")
        elif (content := self._read(source)) is not None and self._files < _MOST_FILES:
            self._files += 1
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._content(key, content))

    def _content(self, key: str, content: bytes) -> bytes:
        bare = key.removesuffix("_path").removesuffix("_file")
        if bare.endswith(("signing_key", "signing_keys")):
            return _signing_key().encode()
        if SECRET_NAME.search(bare):
            return self._stand_in(content.decode(errors="replace").strip()).encode()
        try:
            options = config_files.parse(content)
        except (ValueError, RecursionError, yaml.YAMLError):
            return content
        # A registration of an application service, for one, which holds its tokens.
        return yaml.safe_dump(self.options(options)).encode() if options else content

    def _read(self, path: Path) -> bytes | None:
        """A file that Synapse itself could read; it names them, and it is root who reads."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as stream:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode) or not self._readable(state):
                return None
            content = stream.read(_LARGEST + 1)
        return content if len(content) <= _LARGEST else None

    def _readable(self, state: os.stat_result) -> bool:
        if self.accounts.ids.get(SYNAPSE_USER) == state.st_uid:
            return bool(state.st_mode & stat.S_IRUSR)
        if state.st_gid in self.accounts.groups_of(SYNAPSE_USER):
            return bool(state.st_mode & stat.S_IRGRP)
        return bool(state.st_mode & stat.S_IROTH)


def configuration(
    paths: Paths, root: Path, generation: Path, without: Collection[str] = ()
) -> list[str]:
    """Put Synapse's configuration into the root, with that generation's; arguments that name it."""
    copier = Copier(paths, root, read_accounts(paths.root))
    ours = paths.root / OUR_LINK
    for path in (*config_files.others(paths), ours):
        if path == ours:
            options = config_files.read_generated(generation)
            options = {key: value for key, value in options.items() if key not in without}
        else:
            options = config_files.read(paths, path)
        target = root / path.relative_to(paths.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(
            yaml.safe_dump(copier.options(options), sort_keys=False), encoding="utf-8"
        )
    homeserver, directory = (
        f"/{path.relative_to(paths.root)}" for path in (paths.synapse, paths.synapse_conf_d)
    )
    _open(root)
    return ["-c", f"{homeserver}/homeserver.yaml", "-c", f"{directory}/"]


def _open(root: Path) -> None:
    """To whatever user the code gets. The directory above is closed to others."""
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o444)


def _signing_key() -> str:
    key = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return _SIGNING_KEY.format(key)
