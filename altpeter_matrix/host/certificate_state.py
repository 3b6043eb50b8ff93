"""The certificate as it is: on disk, and as nginx serves it."""

import hashlib
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from ..base.commands import run
from ..base.time_limit import at_most


@dataclass(frozen=True)
class CertificateState:
    """One certificate, by its SHA-256 fingerprint."""

    fingerprint: str
    days_left: int
    names: tuple[str, ...]


def on_disk(fullchain: Path) -> CertificateState | None:
    """The first certificate of a file; None when there is none. HostError when openssl does not say
    in time what it holds: that is another thing."""
    try:
        text = fullchain.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    end = "-----END CERTIFICATE-----"
    return _read(text[: text.find(end) + len(end)]) if end in text else None


def served(name: str, port: int = 443) -> CertificateState | None:
    """What nginx shows to a client that asks for `name`; None when it does not answer. HostError as
    above."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(("127.0.0.1", port), at_most(10)) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            der = tls.getpeercert(binary_form=True)
    except OSError:
        return None
    return _read(ssl.DER_cert_to_PEM_cert(der)) if der else None


def _read(pem: str) -> CertificateState | None:
    shown = run(
        "openssl", "x509", "-noout", "-enddate", "-ext", "subjectAltName", input=pem, check=False
    )
    lines = shown.stdout.splitlines()
    ends = [line.partition("=")[2] for line in lines if line.startswith("notAfter=")]
    if not ends:
        return None
    seconds = ssl.cert_time_to_seconds(ends[0]) - time.time()
    listed = [part.strip() for line in lines for part in line.split(",")]
    return CertificateState(
        fingerprint=hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest(),
        days_left=int(seconds // 86400),
        names=tuple(part[4:] for part in listed if part.startswith("DNS:")),
    )
