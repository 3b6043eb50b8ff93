"""Just enough of OpenPGP (RFC 4880) to know a key by its fingerprint.

Neither a bare Debian host nor every administrator's machine has gpg, and a key must be checked
before apt trusts it.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

_PUBLIC_KEY = 6
_VERSION_4 = 4
_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(?:[^\n]+: [^\n]*\n)*\r?\n(?P<body>.*?)"
    rb"(?:\n=[^\n]{4})?\s*-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)


def key_with_fingerprint(keyring: bytes, fingerprint: str) -> bytes | None:
    """The one key of a keyring that has the fingerprint, with its subkeys and signatures.

    Any other key of the keyring is left out, since apt would trust it as well.
    None when the fingerprint is not there, or the data are not a keyring.
    """
    wanted = b""
    inside = False
    try:
        for tag, packet, body in _packets(_binary(keyring)):
            if tag == _PUBLIC_KEY:
                inside = body[:1] == bytes([_VERSION_4]) and _fingerprint(body) == fingerprint
            if inside:
                wanted += packet
    except (IndexError, binascii.Error):
        return None
    return wanted or None


def _binary(keyring: bytes) -> bytes:
    """The keyring without its ASCII armour, if it has one."""
    match = _ARMOR.search(keyring.replace(b"\r\n", b"\n"))
    return base64.b64decode(match["body"]) if match else keyring


def _fingerprint(body: bytes) -> str:
    """Section 12.2: SHA-1 over 0x99, the length in two octets and the packet's body."""
    digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False)
    return digest.hexdigest().upper()


def _packets(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Tag, whole packet and body of each packet (section 4.2); IndexError when it is cut off."""
    at = 0
    while at < len(data):
        first = data[at]
        if not first & 0x80:
            raise IndexError("not a packet")
        if first & 0x40:
            tag, (start, length) = first & 0x3F, _new_length(data, at + 1)
        else:
            tag, octets = first >> 2 & 0x0F, 1 << (first & 0x03)
            start = at + 1 + octets
            length = int.from_bytes(data[at + 1 : start], "big")
        end = start + length
        if end > len(data):
            raise IndexError("cut off")
        yield tag, data[at:end], data[start:end]
        at = end


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    """Where the body starts and how long it is (section 4.2.2)."""
    first = data[at]
    if first < 192:
        return at + 1, first
    if first < 224:
        return at + 2, ((first - 192) << 8) + data[at + 1] + 192
    if first == 255:
        return at + 5, int.from_bytes(data[at + 1 : at + 5], "big")
    raise IndexError("partial lengths are for data, not for keys")
