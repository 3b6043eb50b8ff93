"""The lab's own certificate authority: for the services host, not for the hosts under test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .images import cached
from .layout import recipe_key

NAMES = ("lab.test", "acme.lab.test", "mail.lab.test", "packages.lab.test")


@dataclass(frozen=True)
class Authority:
    """Files in PEM."""

    root: Path
    certificate: Path
    key: Path


def authority() -> Authority:
    """Return the authority, made on first use and then kept for all runs."""
    path = cached("authority", recipe_key(*NAMES), _make)
    return Authority(path / "root.pem", path / "server.pem", path / "server.key")


def _make(directory: Path) -> None:
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "3650"]
    run(
        *request,
        *("-keyout", directory / "root.key", "-out", directory / "root.pem"),
        *("-subj", "/CN=Lab root", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    names = ",".join(f"DNS:{name}" for name in NAMES)
    run(
        *request,
        *("-keyout", directory / "server.key", "-out", directory / "server.pem"),
        *("-CA", directory / "root.pem", "-CAkey", directory / "root.key"),
        *("-subj", "/CN=lab.test", "-addext", f"subjectAltName={names}"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "extendedKeyUsage=serverAuth"),
    )
