"""Who is at an address that others are led to: asked as another server asks."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from ..base.time_limit import at_most

_SECONDS = 5.0
_MOST = 64 * 1024
KEYS = "/_matrix/key/v2/server"


class Refused(Exception):
    """There is no answer that can be used."""


def get(address: str, name: str, path: str, port: int = 443) -> Mapping[str, Any]:
    """The JSON object at a path, from whoever answers at an address as `name`; Refused where there
    is none. The certificate is not judged."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(name, port)
    try:
        plain = socket.create_connection((address, port), at_most(_SECONDS))
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        connection.request("GET", path, headers={"User-Agent": "altpeter-matrix"})
        answer = connection.getresponse()
        document = json.loads(answer.read(_MOST)) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Refused(str(error)) from None
    finally:
        connection.close()
    if not isinstance(document, dict):
        raise Refused(f"answers {answer.status}")
    return document


def keys(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """The keys that a server says it signs with, by their names."""
    found = answer.get("verify_keys")
    if not isinstance(found, dict):
        return {}
    return {str(name): str(one.get("key")) for name, one in found.items() if isinstance(one, dict)}
