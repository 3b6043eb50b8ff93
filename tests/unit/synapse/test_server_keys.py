"""Whether others take the keys that a server shows."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.base.commands import run
from altpeter_matrix.synapse import server_keys

Signed = Callable[..., dict[str, Any]]


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    """An answer as Synapse gives it; `changed` before it is signed."""
    key, message, signature = (tmp_path / name for name in ("key", "message", "signature"))
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", key)
    run("openssl", "pkey", "-in", key, "-pubout", "-outform", "DER", "-out", tmp_path / "public")
    public = (tmp_path / "public").read_bytes()[-32:]

    def sign(**changed: object) -> dict[str, Any]:
        answer = {
            "server_name": "example.org",
            "valid_until_ts": int(time.time() * 1000) + 60_000,
            "verify_keys": {"ed25519:a": {"key": _unpadded(public)}},
            "old_verify_keys": {},
            "umlaut": "ü",
            **changed,
        }
        text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        message.write_text(text, "utf-8")
        run(
            "openssl", "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", message, "-out",
            signature,
        )  # fmt: skip
        made = {"example.org": {"ed25519:a": _unpadded(signature.read_bytes())}}
        return {**answer, "signatures": made}

    return sign


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def test_keys_that_others_take(signed: Signed) -> None:
    assert server_keys.refusal(signed(), "example.org") == ""


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"server_name": "other.org"}, {}, "they are those of another server name"),
        ({"valid_until_ts": 1}, {}, "they are not valid any more"),
        ({"valid_until_ts": None}, {}, "they are not valid any more"),
        ({"verify_keys": {}}, {}, "there is none"),
        ({}, {"umlaut": "u"}, "they are not signed with themselves"),
        ({}, {"signatures": {}}, "they are not signed with themselves"),
        ({}, {"signatures": 7}, "they are not signed with themselves"),
        (
            {"verify_keys": {"ed25519:a": {"key": "ÄÄÄÄ"}}},
            {},
            "they are not signed with themselves",
        ),
        (
            {"verify_keys": {"ed25519:b": {"key": "AAAA"}}},
            {},
            "they are not signed with themselves",
        ),
    ],
)
def test_keys_that_others_refuse(
    signed: Signed, before: dict[str, object], after: dict[str, object], why: str
) -> None:
    assert server_keys.refusal({**signed(**before), **after}, "example.org") == why
