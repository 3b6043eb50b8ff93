"""An apt repository laid out as packages.matrix.org's: one suite per Debian release."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from pathlib import Path
from types import MappingProxyType

from .commands import run

KEYRING = "matrix-org-archive-keyring.gpg"


def publish(
    root: Path,
    codename: str,
    packages: Sequence[Path],
    sign: Callable[[str], str],
    names: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Make ``root`` list exactly these packages for a release, in this order.

    ``sign`` returns the clear-signed form of a Release file. ``names`` is what the repository
    calls itself, where that is not what packages.matrix.org does.
    """
    pool = Path("pool", "main", "m", "matrix-synapse-py3", codename)
    (root / pool).mkdir(parents=True, exist_ok=True)
    stanzas = []
    for package in packages:
        data = package.read_bytes()
        copy = root / pool / package.name
        if not copy.exists() or copy.stat().st_size != len(data):
            copy.write_bytes(data)
        stanzas.append(
            run("dpkg-deb", "--field", package).stdout
            + f"Filename: {pool / package.name}\nSize: {len(data)}\n"
            + f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    index = "\n".join(stanzas).encode()
    files = {
        "main/binary-amd64/Packages": index,
        "main/binary-amd64/Packages.gz": gzip.compress(index, mtime=0),
        "main/binary-all/Packages": b"",
    }
    suite = root / "dists" / codename
    for name, content in files.items():
        (suite / name).parent.mkdir(parents=True, exist_ok=True)
        (suite / name).write_bytes(content)
    release = _release(codename, files, names)
    (suite / "Release").write_text(release)
    # Last, since it vouches for the rest.
    signed = suite / "InRelease.new"
    signed.write_text(sign(release))
    signed.replace(suite / "InRelease")


def _release(codename: str, files: dict[str, bytes], names: Mapping[str, str]) -> str:
    lines = [
        f"Origin: {names.get('Origin', 'matrix.org')}",
        f"Label: {names.get('Label', 'matrix.org')}",
        f"Suite: {codename}",
        f"Codename: {codename}",
        f"Date: {formatdate(usegmt=True)}",
        "Architectures: amd64",
        "Components: main",
        "SHA256:",
    ]
    for name, content in files.items():
        lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}")
    return "\n".join([*lines, ""])
