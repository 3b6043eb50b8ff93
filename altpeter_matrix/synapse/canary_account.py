"""The account of the canary: made by root through the registration API for the shared secret.

Nobody can find it by its name, which is random and in no directory and no profile; nobody can log
in to it, because its password is thrown away. Root keeps the token (canary.json), with which alone
it is used: so there is no limit of Synapse's that a stranger could use up for it. It is of the type
"support", which Synapse leaves out of its user directory, its limits of users, and consent.
"""

import hashlib
import hmac
import http.client
import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..base.errors import HostError
from ..base.paths import Paths
from ..base.state_file import StateFile
from ..settings.model import Settings
from . import secrets_store
from .canary_client import Busy, Client, Gone, Unable, Wrong, said

NAME = "altpeter-matrix-canary"
_REGISTER = "/_synapse/admin/v1/register"
_LOGIN = "/_matrix/client/v3/login"


@dataclass(frozen=True)
class Former:
    """One that earlier versions of this package made: with a name that can be guessed, and a
    password."""

    name: str
    password: str


@dataclass(frozen=True)
class Account:
    """The content of canary.json. token: empty when there is no account."""

    name: str = ""
    token: str = ""
    room: str = ""
    former: Former | None = None


def read(paths: Paths) -> Account:
    return _FILE.read(paths.canary)


def write(paths: Paths, account: Account) -> None:
    """Unable where the disk is full, for one: that is not Synapse's doing."""
    try:
        _FILE.write(paths.canary, asdict(account))
    except OSError as error:
        raise Unable from error


def _parse(raw: dict[str, Any]) -> Account:
    if "password" in raw:  # of a version before this one
        return Account(former=Former(str(raw["name"]), str(raw["password"])))
    former = raw.get("former")
    return Account(**{**raw, "former": Former(**former) if former else None})


_FILE = StateFile(_parse, missing=Account(), numbered=False)


def registered(paths: Paths, settings: Settings) -> Account:
    """A new account, in the place of the one that is kept."""
    client = Client(settings)
    name = f"{NAME}-{secrets.token_hex(16)}"
    status, answer = _register(client, paths, name, secrets.token_urlsafe(32))
    if status != 200 or not answer.get("access_token"):
        raise Wrong(client.where(_REGISTER), said(status, answer))
    account = Account(name, str(answer["access_token"]), former=read(paths).former)
    write(paths, account)
    return account


def _register(client: Client, paths: Paths, name: str, password: str) -> tuple[int, dict[str, Any]]:
    """Synapse's documentation: "Shared-Secret Registration", with a user type."""
    nonce = str(client.ask("GET", _REGISTER).get("nonce"))
    try:
        key = secrets_store.registration_secret(paths).encode()
    except HostError as error:
        raise Unable from error
    parts = (nonce, name, password, "notadmin", "support")
    mac = hmac.new(key, b"\0".join(part.encode() for part in parts), hashlib.sha1)
    body = {
        "nonce": nonce, "username": name, "password": password, "admin": False,
        "user_type": "support", "mac": mac.hexdigest(),
        # None: a profile can be read by everybody who knows the name.
        "displayname": "",
        "device_id": "HEALTHGATE", "initial_device_display_name": "health gate",
    }  # fmt: skip
    return client.answer("POST", _REGISTER, body)


def retire_former(paths: Paths, settings: Settings) -> None:
    """Put an account of this kind in the place of a former one, which is deactivated.

    Best effort, to be tried again: strangers may just be using up the logins of that one.
    """
    former = read(paths).former
    if former is None:
        return
    try:
        if not read(paths).token:
            registered(paths, settings)
        _deactivate(settings, former)
        write(paths, replace(read(paths), former=None))
    except (OSError, http.client.HTTPException, Wrong, Unable, Busy, Gone):
        pass


def _deactivate(settings: Settings, former: Former) -> None:
    """As its user would, who is asked for the password twice."""
    client = Client(settings)
    proof = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": former.name},
        "password": former.password,
    }
    status, answer = client.answer("POST", _LOGIN, proof)
    if status != 200:
        if status >= 500:
            raise Wrong(client.where(_LOGIN), said(status, answer))
        return  # nobody can log in to it any more
    client.token = str(answer.get("access_token"))
    client.ask("POST", "/_matrix/client/v3/account/deactivate", {"auth": proof, "erase": True})


def room_of(paths: Paths, client: Client) -> str:
    """Its one room, private and empty but for it."""
    account = read(paths)
    if account.room:
        return account.room
    body = {"preset": "private_chat", "visibility": "private", "name": "health gate"}
    room = str(client.ask("POST", "/_matrix/client/v3/createRoom", body)["room_id"])
    write(paths, replace(account, room=room))
    return room


def forget_room(paths: Paths) -> None:
    write(paths, replace(read(paths), room=""))


def forget(paths: Paths) -> None:
    """Its token is of no use any more: somebody has deactivated it, or restored an old backup."""
    write(paths, Account(former=read(paths).former))
