"""Making accounts through Synapse's registration API for the shared secret, on loopback.

Synapse's documentation: "Shared-Secret Registration". No secret gets into an argument list.
"""

import hashlib
import hmac
import http.client
import json
from dataclasses import dataclass
from typing import Any

from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..settings.model import Settings
from ..settings.user_ids import LONGEST_USER_ID, check_localpart, room_for_localpart
from . import secrets_store, user_records
from .user_records import Record

_PATH = "/_synapse/admin/v1/register"
_LONGEST_PASSWORD = 512  # synapse.rest.admin.users
# What Synapse says of a name, and what there is to do about it.
_REMEDIES = {
    "M_USER_IN_USE": "choose another name, or use --exists-ok",
    "M_INVALID_USERNAME": "choose another name",
    "M_EXCLUSIVE": "choose another name, an application service has this one",
}
_REFUSED_HMAC = "HMAC incorrect"


@dataclass(frozen=True)
class Account:
    """An account of this server, by the ID that Synapse gave it."""

    user_id: str
    made: bool = True  # False: it was there before
    record: Record | None = None  # of one that was there before, where that can be told


def create_user(
    paths: Paths,
    settings: Settings,
    name: str,
    password: str,
    *,
    admin: bool = False,
    exists_ok: bool = False,
) -> Account:
    """Make a local account, or (with exists_ok) find that there is one."""
    localpart = local_part(name, settings.server_name)
    _check_password(password)
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
        return Account(str(answer["user_id"]))
    code, reason = answer.get("errcode"), answer.get("error", "no reason given")
    if code == "M_USER_IN_USE":
        user_id = f"@{localpart}:{settings.server_name}"
        record = user_records.find(paths, user_id)
        if record is not None and record.deactivated:
            raise HostError(_deactivated(record.user_id))
        if exists_ok:
            return Account(record.user_id if record else user_id, made=False, record=record)
    remedy = _REMEDIES.get(str(code), "read `journalctl -u matrix-synapse -n 50`")
    if reason == _REFUSED_HMAC:
        remedy = "Synapse runs with an older registration_shared_secret: restart it"
    raise HostError(Problem(f"user {name}", f"was not made: {reason}", remedy))


def _deactivated(user_id: str) -> Problem:
    return Problem(
        f"user {user_id}",
        "exists and is deactivated: nobody can log in as it",
        "choose another name, or have a server administrator set a password for it again (Synapse's"
        ' admin API, "Create or modify account", with deactivated: false)',
    )


def local_part(name: str, server_name: str) -> str:
    """`alice` from `Alice` or `@alice:example.org`, as Synapse would register it.

    HostError says the rule that a name breaks.
    """
    where = f"user {name}"
    local, _, domain = name.removeprefix("@").partition(":")
    local = local.lower()  # Synapse does so
    if domain.lower() not in {"", server_name}:
        raise HostError(
            Problem(where, f"is not of this server, {server_name}", f"write {local} alone")
        )
    # Whether an underscore may come first is a setting of Synapse's.
    rest = local.lstrip("_") or local
    try:
        check_localpart(rest if local.startswith("_") and not rest.isdigit() else local)
    except ValueError as error:
        what, _, remedy = str(error).partition("; ")
        raise HostError(Problem(where, what, remedy)) from None
    room = room_for_localpart(server_name)
    if len(local) > room:
        what = f"has {len(local)} characters; a user ID has at most {LONGEST_USER_ID}"
        remedy = f"write {room} characters at most"
        raise HostError(Problem(where, f"{what}, server name included", remedy))
    return local


def _check_password(password: str) -> None:
    where = "the password"
    if not password:
        raise HostError(Problem(where, "is empty", "write one"))
    if len(password) > _LONGEST_PASSWORD:
        what = f"has {len(password)} characters, of which Synapse takes {_LONGEST_PASSWORD}"
        raise HostError(Problem(where, what, "write a shorter one"))
    # Halves of a character come from a terminal whose encoding is not UTF-8.
    if any(one == "\0" or "\ud800" <= one <= "\udfff" for one in password):
        what = "has a character that Synapse does not take"
        raise HostError(Problem(where, what, "leave it out"))


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
