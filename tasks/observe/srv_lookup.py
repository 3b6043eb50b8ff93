"""Prints the SRV records of some names. Runs on the host, whose resolver is the one that counts.

A bare host has neither a program nor a library that asks for SRV records (python3-dnspython comes
with no package that is there before the deploy), so this speaks DNS (RFC 1035, RFC 2782) itself,
with nothing but the standard library.
"""

import re
import secrets
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SRV, INTERNET = 33, 1
# What a target may look like. DNS allows every byte in a name, and what is printed is read line by
# line: whoever answers must not be able to say more than a name.
_TARGET = re.compile(r"[a-z0-9_.-]+")
# A datagram may get lost, and a resolver be restarting (resolv.conf(5): timeout, attempts).
TIMEOUT, ATTEMPTS = 2.0, 2


def question(name: str, identifier: int) -> bytes:
    """A query for the SRV records of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack(">6H", identifier, 0x0100, 1, 0, 0, 0)  # recursion desired
    return header + labels + b"\0" + struct.pack(">2H", SRV, INTERNET)


def read_name(message: bytes, at: int) -> tuple[str, int]:
    """The name at a place of the message, and where it ends there (section 4.1.4)."""
    labels: list[str] = []
    end = 0
    for _ in range(128):  # more would be a loop
        length = message[at]
        if length >= 0xC0:
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
        elif length:
            labels.append(message[at + 1 : at + 1 + length].decode("ascii", "replace"))
            at += 1 + length
        else:
            return ".".join(labels).lower(), end or at + 1
    raise IndexError("the name never ends")


def services(message: bytes) -> Iterator[tuple[int, str]]:
    """Port and target of each SRV record in an answer."""
    answers = struct.unpack(">6H", message[:12])[3]
    at = read_name(message, 12)[1] + 4
    for _ in range(answers):
        at = read_name(message, at)[1]
        kind, _, _, length = struct.unpack(">2HIH", message[at : at + 10])
        at += 10
        if kind == SRV:
            target = read_name(message, at + 6)[0]
            if _TARGET.fullmatch(target):
                yield struct.unpack(">3H", message[at : at + 6])[2], target
        at += length


def look_up(name: str, servers: Sequence[str], port: int = 53) -> list[tuple[int, str]]:
    """The records as the first server that answers has them; none when nobody does."""
    identifier = secrets.randbelow(1 << 16)
    for server in (*servers,) * ATTEMPTS:
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as connection:
            connection.settimeout(TIMEOUT)
            try:
                connection.connect((server, port))
                connection.send(question(name, identifier))
                answer = connection.recv(4096)
                if answer[:2] == identifier.to_bytes(2, "big"):
                    return sorted(set(services(answer)))
            except (OSError, IndexError, struct.error):
                continue
    return []


def main() -> None:
    resolv = Path("/etc/resolv.conf").read_text(encoding="utf-8")
    servers = re.findall(r"^nameserver\s+(\S+)", resolv, re.MULTILINE)
    for name in sys.argv[1:]:
        for port, host in look_up(name, servers):
            print(name, port, host)


if __name__ == "__main__":
    main()
