"""Asking as another server does: over the public names, with certificates that have to hold."""

import http.client
import ipaddress
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from ..base.time_limit import at_most
from ..host import dns

_SECONDS = 5.0
_MOST = 64 * 1024
KEYS = "/_matrix/key/v2/server"
VERSION = "/_matrix/federation/v1/version"


class Refused(Exception):
    """Why there is no answer that can be used, for a person."""


class _Connection(http.client.HTTPSConnection):
    """Where DNS leads, whatever /etc/hosts says."""

    def connect(self) -> None:
        plain = _connected(self.host, self.port)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


class _Handler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)


def _connected(place: str, port: int) -> socket.socket:
    try:
        ipaddress.ip_address(place)
        addresses = [place]
    except ValueError:
        addresses = [*dns.lookup(place, "AAAA"), *dns.lookup(place, "A")]
    failure = OSError(f"{place} has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), at_most(_SECONDS))
        except OSError as error:
            failure = error
    raise failure


def well_known(server_name: str) -> str:
    """What `/.well-known/matrix/server` names; Refused where it does not."""
    url = f"https://{server_name}/.well-known/matrix/server"
    ask = urllib.request.build_opener(_Handler, urllib.request.ProxyHandler({}))
    try:
        with ask.open(url, timeout=at_most(_SECONDS)) as answer:
            document = json.loads(answer.read(_MOST))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(reason(error)) from None
    named = document.get("m.server") if isinstance(document, dict) else None
    if not isinstance(named, str):
        raise Refused("is no document with m.server")
    return named


def get(place: str, port: int, name: str, path: str, *, verified: bool = True) -> Mapping[str, Any]:
    """The JSON object at a path, from whoever answers at a place (a name or an address) as `name`;
    Refused where there is none."""
    context = ssl.create_default_context()
    if not verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(name, port, timeout=at_most(_SECONDS))
    try:
        connection.sock = context.wrap_socket(_connected(place, port), server_hostname=name)
        connection.request("GET", path, headers={"User-Agent": "altpeter-matrix"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise Refused(f"answers {answer.status}")
        document = json.loads(answer.read(_MOST))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(reason(error)) from None
    finally:
        connection.close()
    if not isinstance(document, dict):
        raise Refused("is not Synapse's answer")
    return document


def keys(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """The keys that a server says it signs with, by their names."""
    found = answer.get("verify_keys")
    if not isinstance(found, dict):
        return {}
    return {str(name): str(one.get("key")) for name, one in found.items() if isinstance(one, dict)}


def reason(error: Exception) -> str:
    """In a few words, the same each time."""
    inner = getattr(error, "reason", None)
    if isinstance(error, urllib.error.HTTPError):
        return f"answers {error.code}"
    if isinstance(inner, Exception):
        return reason(inner)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    # OSError has no word for some.
    known = "is no JSON" if isinstance(error, ValueError) else getattr(error, "strerror", None)
    return known or type(error).__name__
