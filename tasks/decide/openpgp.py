"""A keyring's one key that is to be trusted, known by its fingerprint.

Read by Sequoia, which is also what apt of Debian 13 checks signatures with: neither a bare host nor
every administrator's machine has gpg, and a key must be checked before apt trusts it.
"""

import os
import re
from codecs import BOM_UTF8

from pysequoia.packet import Packet, PacketPile, Tag

# With RUST_BACKTRACE=1 in the environment Sequoia would walk the stack for each error, also for
# those that it gets over. pyinfra's greenlets share one, which ends in a segmentation fault.
os.environ["RUST_LIB_BACKTRACE"] = "0"

# Upstream's has 3 kB, Debian's own 56 kB.
LARGEST = 1024**2
_ARMOUR = re.compile(rb"(?=-----BEGIN PGP PUBLIC KEY BLOCK-----)")
_KEYS = (Tag.PublicKey, Tag.SecretKey)
# What a key consists of besides; apt has no use for anything else.
_PARTS = (Tag.PublicSubkey, Tag.UserID, Tag.UserAttribute, Tag.Signature)


class NoSuchKey(ValueError):
    """The keyring has no key with the fingerprint; says what it has instead."""


def key_with_fingerprint(keyring: bytes, fingerprint: str) -> bytes:
    """The one key of a keyring that has the fingerprint, with its subkeys and signatures, binary.

    Any other key of the keyring is left out, since apt would trust it as well. Whether a subkey
    belongs to the key is for apt to judge, as ever. Raises NoSuchKey.
    """
    found = _keys(keyring)
    wanted = [packet for key in found if _is(key, fingerprint) for packet in key]
    if not wanted:
        others = " and ".join(_name(key[0]) for key in found[:5]) or "no key"
        unusable = any(_version(key[0]) != 4 for key in found)
        raise NoSuchKey(f"it has {others}{'; only v4 keys can be used' if unusable else ''}")
    return b"".join(map(_written, wanted))


def holds_only(keyring: bytes, fingerprint: str) -> bool:
    """Whether this is the key and no other, binary: as it may stay where apt reads it."""
    try:
        found = _keys(keyring)
    except NoSuchKey:
        return False
    return not _is_text(keyring) and bool(found) and all(_is(key, fingerprint) for key in found)


def _keys(keyring: bytes) -> list[list[Packet]]:
    """The packets of each key, the primary key first."""
    if len(keyring) > LARGEST:
        raise NoSuchKey(f"it is larger than {LARGEST} bytes, as no keyring is")
    armoured = _ARMOUR.split(keyring)[1:] if _is_text(keyring) else []
    try:
        packets = [one for block in armoured or [keyring] for one in PacketPile.from_bytes(block)]
    except RuntimeError as error:
        raise NoSuchKey(f"it is no OpenPGP keyring: {error}") from error
    found: list[list[Packet]] = []
    for packet in packets:
        tag = _tag(packet)
        if tag in _KEYS:
            found.append([packet])
        elif tag in _PARTS and found:
            found[-1].append(packet)
    return found


def _is_text(keyring: bytes) -> bool:
    """Whether it is armoured, if it is anything: each packet begins with this bit set."""
    return keyring[:1] < b"\x80" or keyring.startswith(BOM_UTF8)


def _written(packet: Packet) -> bytes:
    """Nothing for a signature that Sequoia cannot write, as by a key of a kind of GnuPG's own."""
    try:
        return bytes(packet)
    except RuntimeError:
        return b""


def _tag(packet: Packet) -> Tag | None:
    try:
        return packet.tag
    except RuntimeError:  # one that Sequoia does not know
        return None


def _is(key: list[Packet], fingerprint: str) -> bool:
    return key[0].tag == Tag.PublicKey and (key[0].fingerprint or "").upper() == fingerprint


def _version(primary: Packet) -> int:
    return (primary.body or b"\0")[0]


def _name(primary: Packet) -> str:
    kind = "secret key" if primary.tag == Tag.SecretKey else "key"
    return f"the v{_version(primary)} {kind} {(primary.fingerprint or '').upper()}".rstrip()
