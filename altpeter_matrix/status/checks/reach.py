"""Whether nginx serves where others ask: at the addresses of this host, too."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ...base.errors import HostError, Problem
from ...base.time_limit import at_most, side_by_side
from ...host.addresses import public_addresses
from ...host.links import Links
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View

_VERSIONS = "/_matrix/client/versions"
_LOOPBACK = "127.0.0.1"
_TIMEOUT = 3.0


@dataclass(frozen=True)
class Seen:
    """What one address says. why: empty: it serves."""

    family: str
    address: str
    port: int
    why: str


def seen(view: View) -> list[Seen]:
    """Each address on each port, and the loopback first."""
    settings = view.shared(looks.settings)
    ports = (443, 8448) if settings.federation.port_8448 else (443,)
    ipv4, ipv6 = public_addresses()
    wanted = [
        (family, address, port)
        for family, addresses in (("loopback", [_LOOPBACK]), ("IPv4", ipv4), ("IPv6", ipv6))
        for address in addresses
        for port in ports
    ]
    name = settings.public_name
    return side_by_side(lambda one: Seen(*one, ask(one[1], one[2], name)), wanted)


def ask(address: str, port: int, name: str) -> str:
    """Why Synapse does not answer there under a name; empty: it does. The certificate is judged
    elsewhere.

    HostError when somebody is there, but slow: that says nothing of the way there.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    question = f"GET {_VERSIONS} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    try:
        plain = socket.create_connection((address, port), at_most(_TIMEOUT))
    except OSError as error:
        return error.strerror or str(error)
    try:
        with plain, context.wrap_socket(plain, server_hostname=name) as tls:
            tls.sendall(question.encode())
            said = bytearray()
            while part := tls.recv(65536):
                said += part
                if len(said) > 1024**2:
                    return "answers without end"
    except TimeoutError:
        problem = Problem(f"{address}, port {port}", "no answer in time", "look at the load")
        raise HostError(problem) from None
    except OSError as error:
        return error.strerror or str(error)
    head, _, body = bytes(said).partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        return f"answers {b''.join(status).decode(errors='replace') or 'nothing'}"
    return "" if b'"versions"' in body else "is not Synapse's answer"


def outside(view: View) -> Iterator[Found]:
    if not Links(view.paths).nginx_site_wanted():
        return
    yield from judged(view.shared(seen))


def judged(answers: list[Seen]) -> Iterator[Found]:
    """What serves at the loopback has to serve outside. What serves nowhere is another fault."""
    ports = {one.port for one in answers if one.family == "loopback" and not one.why}
    for port in sorted(ports):
        wrong: Mapping[str, list[Seen]] = {
            family: [one for one in answers if one.family == family and one.port == port]
            for family in ("IPv4", "IPv6")
        }
        for family, asked in wrong.items():
            for one in asked:
                if one.why and family == "IPv4":
                    yield found(
                        "not-served-outside", address=one.address, port=port, reason=one.why
                    )
                elif one.why:
                    yield found("ipv6-not-served", address=one.address, port=port, reason=one.why)


CHECKS = (
    Check(
        "answers at the public addresses",
        outside,
        ("not-served-outside", "ipv6-not-served"),
        seconds=6.0,
        unless=(
            "settings-refused", "nginx-stopped", "nginx-down", "synapse-stopped", "synapse-down",
            "no-answer",
        ),
    ),
)  # fmt: skip
