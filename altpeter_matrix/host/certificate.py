"""The TLS certificate: certbot's when there is one, else a placeholder that keeps nginx valid.

nginx does not start without the files its site names, so a host whose certificate is still to
come, or was lost, gets a self-signed one (outside /etc/letsencrypt, where certbot would give its
own the name `<name>-0001`).
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..base import disk
from ..base.commands import run
from ..base.paths import Paths
from . import certificate_state
from .facts import Certificate

_TEN_YEARS = "3650"


def choose(paths: Paths, public_name: str) -> Certificate:
    """certbot's certificate for the public name, else the placeholder. Paths as nginx sees them.

    A certificate from before this package came may have the name of another of its domains.
    """
    for name in (public_name, *_others_for(paths, public_name)):
        live = Path("/etc/letsencrypt/live") / name
        fullchain, private_key = live / "fullchain.pem", live / "privkey.pem"
        if paths.on_host(fullchain).is_file() and paths.on_host(private_key).is_file():
            return Certificate(fullchain, private_key, placeholder=False)
    own = Path("/var/lib/altpeter-matrix/placeholder")
    return Certificate(own / "fullchain.pem", own / "privkey.pem", placeholder=True)


def _others_for(paths: Paths, public_name: str) -> Iterator[str]:
    """Names of other certificates of certbot's that cover a name, the widest first."""
    found = []
    for fullchain in sorted((paths.letsencrypt / "live").glob("*/fullchain.pem")):
        state = certificate_state.on_disk(fullchain)
        if state and state.days_left >= 0 and public_name in state.names:
            found.append((-len(state.names), fullchain.parent.name))
    yield from (name for _, name in sorted(found))


def ensure_placeholder(paths: Paths, names: Sequence[str]) -> None:
    """Make the placeholder when it is missing or damaged."""
    directory = paths.placeholder
    if _is_pair(directory):
        return
    disk.ensure_directory(paths.state, 0o755)
    new = Path(tempfile.mkdtemp(prefix=".placeholder-", dir=paths.state))
    try:
        # openssl makes the key file with mode 0600; the directory is 0700 until it is done.
        run(
            "openssl", "req", "-x509", "-nodes", "-days", _TEN_YEARS,
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            # X.509 limits a common name to 64 characters; the names are in subjectAltName.
            "-subj", "/CN=altpeter-matrix placeholder",
            "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names),
            "-keyout", new / "privkey.pem", "-out", new / "fullchain.pem",
        )  # fmt: skip
        (new / "privkey.pem").chmod(0o600)
        (new / "fullchain.pem").chmod(0o644)
        new.chmod(0o755)
        if directory.exists() or directory.is_symlink():
            directory.rename(new.with_name(new.name + "-old"))
        new.rename(directory)
        disk.synchronise_directory(paths.state)
    finally:
        for leftover in paths.state.glob(".placeholder-*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_pair(directory: Path) -> bool:
    """Whether certificate and key are there, belong together and are valid for a month."""
    fullchain, private_key = directory / "fullchain.pem", directory / "privkey.pem"
    if not (fullchain.is_file() and private_key.is_file()):
        return False
    valid = run("openssl", "x509", "-in", fullchain, "-noout", "-checkend", "2592000", check=False)
    certified = run("openssl", "x509", "-in", fullchain, "-noout", "-pubkey", check=False)
    own = run("openssl", "pkey", "-in", private_key, "-pubout", check=False)
    return valid.ok and own.ok and certified.ok and certified.stdout == own.stdout
