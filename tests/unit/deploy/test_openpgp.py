"""The key of the repository among what its keyring has."""

import base64

import pytest

from tasks import openpgp
from tests.unit.deploy.fake_deploy import FINGERPRINT, KEY


def armoured(data: bytes) -> bytes:
    body = base64.encodebytes(data).decode()
    return (
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: a key\n\n"
        f"{body}=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    ).encode()


@pytest.mark.parametrize("keyring", [KEY, armoured(KEY)], ids=["binary", "armoured"])
def test_a_key_is_known_by_its_fingerprint(keyring: bytes) -> None:
    assert openpgp.key_with_fingerprint(keyring, FINGERPRINT) == KEY


def test_other_keys_of_a_keyring_are_left_out() -> None:
    other = KEY[:12] + bytes([KEY[12] ^ 1]) + KEY[13:]
    signature = b"\xc2\x03abc"
    keyring = other + signature + KEY + signature + other + signature
    assert openpgp.key_with_fingerprint(keyring, FINGERPRINT) == KEY + signature


@pytest.mark.parametrize(
    "keyring", [b"", b"<html>not found</html>", KEY[:-1], KEY[:-1] + b"x"], ids=repr
)
def test_anything_else_is_no_such_key(keyring: bytes) -> None:
    assert openpgp.key_with_fingerprint(keyring, FINGERPRINT) is None
