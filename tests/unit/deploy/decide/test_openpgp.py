"""A key by its fingerprint, out of whatever a URL gives."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysequoia import Profile, Tsk
from pysequoia.packet import PacketPile, Tag

from tasks.base.paths import TOP
from tasks.decide import openpgp
from tasks.decide.openpgp import NoSuchKey, holds_only, key_with_fingerprint
from tests.unit.deploy.fake_deploy import FINGERPRINT, KEY

SECRET = Tsk.generate("Alice <alice@example.org>")
CERT = SECRET.extract_certificate()
ALICE, NAME = bytes(CERT), CERT.fingerprint.upper()
ARMOURED = str(CERT)
NEWER = Tsk.generate("Bob <bob@example.org>", profile=Profile.RFC9580).extract_certificate()
# Of version 3 (RFC 1991), and of one that is yet to come.
V3, V9 = (b"\xc6\x0b" + bytes([version]) + b"\0" * 10 for version in (3, 9))


@pytest.mark.parametrize(
    "keyring",
    [
        ALICE,
        ARMOURED.encode(),
        ARMOURED.replace("\n", "\r\n").encode(),
        ARMOURED.replace("\n\n", "\nVersion: 1\nComment: a key: of ours\n\n", 1).encode(),
        "".join(line for line in ARMOURED.splitlines(True) if line[0] != "=").encode(),
        f"\ufeff{ARMOURED}".encode(),
        f"Our key:\n\n{ARMOURED}\nThat was it.\n".encode(),
        KEY + ALICE,
        ALICE + KEY,
        V3 + ALICE,
        ALICE + V9,
        bytes(NEWER) + ALICE,
        f"{NEWER}{ARMOURED}".encode(),
        ALICE + bytes(SECRET),
        ALICE + b"\xd9\x05abcde" + b"\xca\x03PGP",
    ],
    ids=["binary", "armour", "CRLF", "headers", "no checksum", "byte order mark",
         "text around", "last", "first", "after v3", "before v9", "after v6",
         "second armour", "before secret", "odd packets"],
)  # fmt: skip
def test_the_key_is_found_and_nothing_else(keyring: bytes) -> None:
    assert key_with_fingerprint(keyring, NAME) == ALICE


def test_it_comes_with_its_subkeys_and_signatures() -> None:
    tags = [packet.tag for packet in PacketPile.from_bytes(key_with_fingerprint(ALICE, NAME))]
    assert tags.count(Tag.PublicSubkey) == 2
    assert tags.count(Tag.Signature) == 4


def test_a_signature_by_a_key_of_another_kind_is_left_out() -> None:
    """Such as GnuPG's v5 keys: a subpacket of it (33) names its issuer, and that one's version."""
    issuer = b"\x16\x21\x04"
    before, _, after = ALICE.rpartition(issuer)
    found = key_with_fingerprint(before + b"\x16\x21\x05" + after, NAME)
    assert ALICE.startswith(found)
    tags = [packet.tag for packet in PacketPile.from_bytes(found)]
    assert tags.count(Tag.Signature) == 3


@pytest.mark.parametrize(
    ("keyring", "reason"),
    [
        (b"", "it has no key"),
        (b"<!DOCTYPE html><html>not found</html>", "it is no OpenPGP keyring: "),
        (ALICE[:-1], "Truncated packet"),
        (ALICE + b"x", "Truncated packet"),
        (ARMOURED[: len(ARMOURED) // 2].encode(), "it is no OpenPGP keyring: "),
        (KEY[:-1] + b"x", r"it has the v4 key [0-9A-F]{40}$"),
        (bytes(NEWER), rf"it has the v6 key {NEWER.fingerprint.upper()}; only v4 keys can be"),
        (str(NEWER).encode(), "the v6 key"),
        (V3 + KEY, f"the v3 key and the v4 key {FINGERPRINT}; only"),
        (V9, "the v9 key; only v4 keys"),
        (bytes(SECRET), f"it has the v4 secret key {NAME}"),
        (b"\xcd\x01a", "it has no key"),
        (b"\xc6\x00", "it has the v0 key; only v4|it is no OpenPGP keyring"),
        (b"\xc6\xff\xff\xff\xff\xff\x04", "it is no OpenPGP keyring: "),
        (b"\0\0\0\x20\x01\x01\0\x02KBXf" + b"\0" * 20, "it is no OpenPGP keyring: "),
        (ALICE * (openpgp.LARGEST // len(ALICE) + 1), "it is larger than 1048576 bytes"),
    ],
    ids=["nothing", "HTML", "cut", "more", "armour cut", "other", "v6", "v6 armour", "v3", "v9",
         "secret", "no key", "empty key", "length", "keybox", "huge"],
)  # fmt: skip
def test_what_is_there_instead_is_said(keyring: bytes, reason: str) -> None:
    with pytest.raises(NoSuchKey, match=reason) as error:
        key_with_fingerprint(keyring, NAME)
    assert "\n" not in str(error.value)


def old_format(packets: bytes) -> bytes:
    """As gpg writes it, and so what is on hosts: with the headers of RFC 1991."""
    text = b""
    for packet in PacketPile.from_bytes(packets):
        header = 0x80 | (packet_type(packet.tag) << 2) | 1
        text += bytes([header]) + len(packet.body).to_bytes(2, "big") + packet.body
    return text


def packet_type(tag: Tag) -> int:
    return {"PublicKey": 6, "PublicSubkey": 14, "UserID": 13, "Signature": 2}[str(tag)[4:]]


def test_a_keyring_of_a_host_that_has_the_key_alone_may_stay() -> None:
    """gpg, which renews it there, writes other headers than Sequoia does."""
    assert holds_only(ALICE, NAME)
    assert old_format(ALICE) != ALICE
    assert holds_only(old_format(ALICE), NAME)
    assert key_with_fingerprint(old_format(ALICE), NAME) == ALICE


@pytest.mark.parametrize(
    "keyring",
    [
        b"",
        b"\xcd\x01a",
        KEY,
        ALICE + KEY,
        ALICE + V3,
        ALICE[:-1],
        ARMOURED.encode(),
        f"\ufeff{ARMOURED}".encode(),
    ],
)
def test_any_other_may_not(keyring: bytes) -> None:
    assert not holds_only(keyring, NAME)


@given(at=st.integers(0, len(ALICE) - 1), byte=st.integers(0, 255), armoured=st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_damage_is_no_other_key_and_breaks_nothing(at: int, byte: int, armoured: bool) -> None:
    text = bytearray(ARMOURED.encode() if armoured else ALICE)
    text[at] = byte
    try:
        found = key_with_fingerprint(bytes(text), NAME)
    except NoSuchKey:
        return
    [first, *_] = PacketPile.from_bytes(found)
    assert (first.fingerprint or "").upper() == NAME


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent
from tasks.decide import openpgp

def look():
    for data in (bytes.fromhex("%s"), b"<html>") * 10:
        gevent.sleep(0.001)
        assert not openpgp.holds_only(data, "A" * 40)

gevent.joinall([gevent.spawn(look) for _ in range(10)], raise_error=True)
"""


def test_it_works_in_pyinfras_greenlets_whatever_is_in_the_environment() -> None:
    environment = {**os.environ, "RUST_BACKTRACE": "1", "RUST_LIB_BACKTRACE": "1"}
    subprocess.run(
        [sys.executable, "-c", GREENLETS % KEY.hex()], env=environment, cwd=TOP, check=True
    )
