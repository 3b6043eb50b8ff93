"""Making accounts through Synapse's registration API for the shared secret, on loopback.

Synapse's documentation: "Shared-Secret Registration". No secret gets into an argument list.
"""

import hashlib
import hmac
import http.client
import json
from typing import Any

from . import secrets_store
from .errors import HostError, Problem
from .paths import Paths
from .settings import Settings

_PATH = "/_synapse/admin/v1/register"


def create_user(
    paths: Paths,
    settings: Settings,
    name: str,
    password: str,
    *,
    admin: bool = False,
    exists_ok: bool = False,
) -> bool:
    """Make a local account; False when it exists already (with exists_ok)."""
    localpart = _localpart(name, settings.server_name)
    nonce = str(_ask(settings, "GET", None)["nonce"])
    secret = secrets_store.registration_secret(paths)
    parts = (nonce, localpart, password, "admin" if admin else "notadmin")
    mac = hmac.new(secret.encode(), b"\x00".join(part.encode() for part in parts), hashlib.sha1)
    body = {
        "nonce": nonce,
        "username": localpart,
        "password": password,
        "admin": admin,
        "mac": mac.hexdigest(),
    }
    answer = _ask(settings, "POST", body)
    if "user_id" in answer:
        return True
    if answer.get("errcode") == "M_USER_IN_USE" and exists_ok:
        return False
    raise HostError(
        Problem(
            f"user {name}",
            f"was not made: {answer.get('error', 'no reason given')}",
            "choose another name, or use --exists-ok"
            if answer.get("errcode") == "M_USER_IN_USE"
            else "read `journalctl -u matrix-synapse -n 50`",
        )
    )


def _localpart(name: str, server_name: str) -> str:
    """`alice` from `alice` or `@alice:example.org`."""
    local, _, domain = name.removeprefix("@").partition(":")
    if domain not in {"", server_name}:
        raise HostError(
            Problem(f"user {name}", f"is not of this server, {server_name}", f"write {local} alone")
        )
    return local


def _ask(settings: Settings, method: str, body: dict[str, Any] | None) -> dict[str, Any]:
    where = f"http://127.0.0.1:{settings.listener.port}{_PATH}"
    connection = http.client.HTTPConnection("127.0.0.1", settings.listener.port, timeout=60)
    try:
        payload = None if body is None else json.dumps(body)
        connection.request(method, _PATH, payload, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise HostError(
            Problem(where, f"Synapse does not answer ({error})", "run `altpeter-matrix status`")
        ) from error
    finally:
        connection.close()
    if not isinstance(answer, dict) or (method == "GET" and "nonce" not in answer):
        raise HostError(
            Problem(where, f"gives no nonce: {answer!r}", "run `altpeter-matrix apply`")
        )
    return answer
