"""Whether other servers would take the keys that a server shows."""

import base64
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..base.commands import run
from . import outside

# An Ed25519 public key before its 32 bytes (RFC 8410, section 4).
_SPKI = bytes.fromhex("302a300506032b6570032100")


def refusal(answer: Mapping[str, Any], server_name: str) -> str:
    """Why others refuse the answer to KEYS; empty: they take it."""
    if answer.get("server_name") != server_name:
        return "they are those of another server name"
    until = answer.get("valid_until_ts")
    if not isinstance(until, int) or until <= time.time() * 1000:
        return "they are not valid any more"
    signatures = answer.get("signatures")
    made = signatures.get(server_name) if isinstance(signatures, dict) else None
    said = {name: one for name, one in answer.items() if name not in {"signatures", "unsigned"}}
    # As each server writes JSON that is signed.
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for name, key in outside.keys(answer).items():
        signature = made.get(name) if isinstance(made, dict) else None
        if not isinstance(signature, str) or not _signed(
            text.encode(errors="replace"), signature, key
        ):
            return "they are not signed with themselves"
    return "" if outside.keys(answer) else "there is none"


def _signed(text: bytes, signature: str, key: str) -> bool:
    try:
        raw, public = (base64.b64decode(f"{one}==") for one in (signature, key))
    except ValueError:
        return False
    with _file(text) as message, _file(raw) as signed, _file(_SPKI + public) as known:
        return run(
            "openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", known,
            "-rawin", "-in", message, "-sigfile", signed, check=False,
        ).ok  # fmt: skip


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """A file in memory: a disk may be full."""
    number = os.memfd_create("altpeter-matrix")
    try:
        os.write(number, content)
        yield f"/proc/{os.getpid()}/fd/{number}"
    finally:
        os.close(number)
