"""Asking as another server asks: where DNS leads, whatever /etc/hosts says of this host's own
names."""

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from ..base.time_limit import at_most
from ..host import dns

_SECONDS = 5.0
_MOST = 64 * 1024
_REDIRECTS = 5
KEYS = "/_matrix/key/v2/server"
VERSION = "/_matrix/federation/v1/version"


class Refused(Exception):
    """There is no answer that can be used: why, in a few words that are the same each time."""


@dataclass(frozen=True)
class Place:
    """Where to connect to, a name or an address; name: whose certificate has to be there."""

    host: str
    port: int
    name: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class _Answer:
    status: int
    location: str
    body: bytes


def get(place: Place, path: str, *, verified: bool) -> Mapping[str, Any]:
    """The JSON object at a path; Refused where there is none.

    verified: whether the certificate has to hold, as it does for others.
    """
    return _object(_ask(place, path, verified=verified))


def follow(url: str) -> Mapping[str, Any]:
    """The JSON object at an address that may lead to others; Refused where there is none."""
    where = ""
    for _ in range(_REDIRECTS):
        try:
            url = urljoin(url, where)
            parts = urlsplit(url)
            name, port = parts.hostname, parts.port or 443
        except ValueError:
            name, port = None, 443
        if not name or parts.scheme != "https":
            raise Refused("leads to something else than https")
        path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        answer = _ask(Place(name, port, name), path, verified=True)
        if not (answer.location and 300 <= answer.status < 400):
            return _object(answer)
        where = answer.location
    raise Refused("leads on and on")


def keys(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """The keys that a server says it signs with, by their names."""
    found = answer.get("verify_keys")
    if not isinstance(found, dict):
        return {}
    return {str(name): str(one.get("key")) for name, one in found.items() if isinstance(one, dict)}


def _ask(place: Place, path: str, *, verified: bool) -> _Answer:
    context = ssl.create_default_context()
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(place.name, place.port)
    try:
        plain = _connected(place)
        connection.sock = context.wrap_socket(plain, server_hostname=place.name)
        connection.request("GET", path, headers={"User-Agent": "altpeter-matrix"})
        answer = connection.getresponse()
        return _Answer(answer.status, answer.headers.get("Location", ""), answer.read(_MOST))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(_reason(error)) from None
    finally:
        connection.close()


def _connected(place: Place) -> socket.socket:
    """To the first of its addresses where somebody answers."""
    failure: OSError = OSError(0, f"{place.host} has no address in DNS")
    for address in _addresses(place.host):
        try:
            return socket.create_connection((address, place.port), at_most(_SECONDS))
        except OSError as error:
            failure = error
    raise failure


def _addresses(host: str) -> list[str]:
    if is_address(host):
        return [host]
    return [*dns.lookup(host, "AAAA"), *dns.lookup(host, "A")]


def is_address(host: str) -> bool:
    """Whether it is an address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _object(answer: _Answer) -> Mapping[str, Any]:
    if answer.status != http.client.OK:
        raise Refused(f"answers {answer.status}")
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise Refused("is no JSON") from None
    if not isinstance(document, dict):
        raise Refused("is no JSON object")
    return document


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # OSError has no words for some.
    return getattr(error, "strerror", None) or type(error).__name__
