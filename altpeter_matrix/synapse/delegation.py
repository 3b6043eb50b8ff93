"""From a server name to the server, on the way that other servers take (Matrix's server-server API,
"Resolving server names")."""

import re

from ..host import dns
from . import outside
from .outside import Place

_PORT = 8448
_NAME = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")
# The second one is for servers before Matrix 1.8.
_SERVICES = ("_matrix-fed", "_matrix")


def well_known(server_name: str) -> str:
    """What the document at the server name names; Refused where there is none."""
    document = outside.follow(f"https://{server_name}/.well-known/matrix/server")
    named = document.get("m.server")
    if not isinstance(named, str) or not _NAME.fullmatch(named):
        raise outside.Refused("does not name a server as m.server")
    return named


def places(named: str) -> list[Place]:
    """Where a server is asked for, the first choice first.

    named: what its document names, or its server name where it has none. Refused when that is none.
    """
    host, port = _divided(named)
    if port is not None:
        return [Place(host, port, host)]
    if not outside.is_address(host):
        for service in _SERVICES:
            if records := _service(f"{service}._tcp.{host}"):
                return [Place(target, at, host) for target, at in records]
    return [Place(host, _PORT, host)]


def _divided(named: str) -> tuple[str, int | None]:
    """Host and port; IPv6 addresses stand in brackets."""
    host, colon, port = named.rpartition(":")
    if not colon or named.endswith("]"):
        host, port = named, ""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not host or (port and not (port.isascii() and port.isdigit() and int(port) < 65536)):
        raise outside.Refused("names no server")
    return host.lower(), int(port) if port else None


def _service(name: str) -> list[tuple[str, int]]:
    """The targets of SRV records with their ports, by priority."""
    rows = [one.split() for one in dns.lookup(name, "SRV")]
    rows = [row for row in rows if len(row) == 4 and row[3].rstrip(".")]
    rows.sort(key=lambda row: (int(row[0]), -int(row[1])))
    return [(row[3].rstrip(".").lower(), int(row[2])) for row in rows]
