"""A host with repositories, and gpg as far as it tells of their keys."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from altpeter_matrix.apt.gpg import SigningKey
from altpeter_matrix.base.paths import Paths

DAY = 86400.0
FIRST, SUBKEY, OTHER = "A" * 40, "B" * 40, "C" * 40
ONE_LINE = """\
deb [arch=amd64 signed-by=/usr/share/keyrings/matrix-org.gpg] https://packages.example.org b main
# deb [signed-by=/usr/share/keyrings/commented.gpg] https://packages.example.org b main
deb http://deb.example.org/debian bookworm main
"""
STANZA = "Types: deb\nURIs: https://packages.example.org\nSuites: bookworm\nSigned-By:"


def repositories(root: Path, **files: str) -> Paths:
    """A host with these files of repositories; the last underscore of a name is its dot."""
    place = root / "etc/apt/sources.list.d"
    place.mkdir(parents=True)
    for name, text in files.items():
        (place / ".".join(name.rsplit("_", 1))).write_text(text)
    return Paths(root)


class FakeKeyring:
    """gpg's answers. keys: per file, in its own order."""

    def __init__(
        self,
        keys: dict[str, tuple[SigningKey, ...]],
        signers: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
        certified: bool = False,
    ) -> None:
        self._answers, self._signers, self._certified = keys, signers, certified
        self._read: dict[str, SigningKey] = {}

    def read(self, file: Path) -> None:
        self._read |= {key.fingerprint: key for key in self._answers.get(file.name, ())}

    def signing_keys(self) -> tuple[SigningKey, ...]:
        return tuple(self._read.values())

    def signers(self, _signed: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self._signers

    def certified_by(self, _fingerprint: str, _others: list[str]) -> bool:
        return self._certified

    def export(self, fingerprints: list[str], *, armour: bool) -> bytes:
        return f"{armour} {' '.join(fingerprints)}".encode()

    @contextmanager
    def __call__(self, *files: Path) -> Iterator["FakeKeyring"]:
        for file in files:
            self.read(file)
        yield self


def key(
    days: float | None, fingerprint: str = FIRST, primary: str = FIRST, useful: bool = True
) -> SigningKey:
    expires = None if days is None else time.time() + days * DAY + 60
    return SigningKey(fingerprint, primary, expires, useful)
