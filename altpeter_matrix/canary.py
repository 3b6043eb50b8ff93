"""Trying Synapse as a client and as another server would, with an account made for it.

The account has no rights, one private room of its own, and a random password that only root can
read. It is of the type "support": Synapse leaves those out of its user directory and statistics.
What is not Synapse's doing, such as a full disk or its limit of requests, is no mistake of its.
Synapse is asked at its own port, so that what is wrong with nginx is not laid at its door.
"""

import hashlib
import hmac
import http.client
import json
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import quote

from . import disk, secrets_store
from .errors import HostError, Problem
from .paths import Paths
from .settings import Settings

NAME = "altpeter-matrix-canary"
_TIMEOUT = 10.0
_SYNCS = 5
# Synapse's own limit lets an address log in again after five and a half minutes. Seconds.
_BUSY_WITHIN = 600.0
_LOG = "read `journalctl -u matrix-synapse`"


@dataclass(frozen=True)
class Secret:
    """The content of canary.json."""

    name: str
    password: str
    room: str = ""


class Wrong(Exception):
    """Synapse did not answer as it must."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.problem = Problem(where, what, _LOG)


class Unable(Exception):
    """The canary cannot ask, and Synapse is not to blame."""


class Busy(Exception):
    """Synapse says that there were too many requests: to be asked again."""


@dataclass
class Canary:
    """One session; nothing is asked before `look`.

    demanding: whether logging in, sending and reading has to work; else `session` only says that
    it did, since settings (no passwords, a consent to be given) may forbid it to every version.
    """

    paths: Paths
    settings: Settings
    demanding: bool = True
    session: bool = False
    proved: bool = False  # the last look was thorough, and went through
    token: str = ""
    since: str = ""
    _password_login: bool = True
    _sent: int = 0
    _begun: float = field(default_factory=time.time)
    _busy_since: float | None = None

    def look(self, *, thorough: bool) -> Problem | None:
        """What is wrong, if anything. thorough: also send, and the other questions that write."""
        self.proved = False
        try:
            self._versions()
            if thorough:
                self._server_key()
            wrong = self._in_session(thorough)
            self.proved = thorough and wrong is None
            self._busy_since = None
            return wrong
        except Unable:
            self.proved = thorough
            return None
        except Busy:
            return self._still_busy(thorough)
        except Wrong as wrong:
            return wrong.problem
        except (OSError, http.client.HTTPException) as error:
            return Problem(self._where(""), f"does not answer ({error})", _LOG)

    def _still_busy(self, thorough: bool) -> Problem | None:
        """A limit that somebody has set ends sometime; one that does not is wrong."""
        now = time.monotonic()
        if self._busy_since is None:
            self._busy_since = now
        if now - self._busy_since < _BUSY_WITHIN:
            return None
        if self.demanding:
            what = f"has answered 429, too many requests, for {_BUSY_WITHIN:.0f} s"
            return Problem(self._where(""), what, _LOG)
        self.proved = thorough
        return None

    def _in_session(self, thorough: bool) -> Problem | None:
        try:
            if thorough:
                self._log_in()
            if self.token:
                if thorough:
                    self._send_and_see()
                    self.session = True
                self._sync()
        except Wrong as wrong:
            return wrong.problem if self.demanding else None
        return None

    def leave(self) -> None:
        """Log out. Best effort: an old session does no harm."""
        if self.token:
            try:
                self._ask("POST", "/_matrix/client/v3/logout", {})
            except (OSError, http.client.HTTPException, Wrong, Unable, Busy):
                pass
            self.token = ""

    def _versions(self) -> None:
        answer = self._ask("GET", "/_matrix/client/versions")
        if not answer.get("versions"):
            raise Wrong(self._where("/_matrix/client/versions"), "names no versions")

    def _server_key(self) -> None:
        path = "/_matrix/key/v2/server"
        answer = self._ask("GET", path)
        name = self.settings.server_name
        if answer.get("server_name") != name or name not in (answer.get("signatures") or {}):
            raise Wrong(self._where(path), f"is not the signed key of {name}")

    def _log_in(self) -> None:
        if self.token or not self._password_login:
            return
        flows = self._ask("GET", "/_matrix/client/v3/login").get("flows") or []
        if not any(flow.get("type") == "m.login.password" for flow in flows):
            self._password_login = False  # passwords are switched off: nothing more to try
            return
        status, answer = self._try_to_log_in(self._secret())
        if status == 403:
            # Never made, or not in this database.
            status, answer = self._try_to_log_in(self._registered(self._secret()))
        if status != 200 or "access_token" not in answer:
            raise Wrong(self._where("/_matrix/client/v3/login"), _said(status, answer))
        self.token = str(answer["access_token"])

    def _try_to_log_in(self, secret: Secret) -> tuple[int, dict[str, Any]]:
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": secret.name},
            "password": secret.password,
            "device_id": "HEALTHGATE",
            "initial_device_display_name": "health gate",
        }
        return self._answer("POST", "/_matrix/client/v3/login", body)

    def _secret(self) -> Secret:
        try:
            return Secret(**json.loads(self.paths.canary.read_bytes()))
        except (OSError, ValueError, TypeError):
            return self._new_secret()

    def _new_secret(self) -> Secret:
        """Another name each time: the account of a secret that was lost is still there."""
        secret = Secret(f"{NAME}-{secrets.token_hex(3)}", secrets.token_urlsafe(32))
        self._write(secret)
        return secret

    def _write(self, secret: Secret) -> None:
        try:
            disk.replace(self.paths.canary, f"{json.dumps(asdict(secret))}\n".encode(), 0o600)
        except OSError as error:
            raise Unable from error

    def _registered(self, secret: Secret) -> Secret:
        """The account of a secret, made; under another name where that one is taken."""
        status, answer = self._register(secret)
        if answer.get("errcode") == "M_USER_IN_USE":
            secret = self._new_secret()
            status, answer = self._register(secret)
        if status != 200:
            raise Wrong(self._where("/_synapse/admin/v1/register"), _said(status, answer))
        return secret

    def _register(self, secret: Secret) -> tuple[int, dict[str, Any]]:
        """Synapse's documentation: "Shared-Secret Registration", with a user type."""
        path = "/_synapse/admin/v1/register"
        nonce = str(self._ask("GET", path).get("nonce"))
        try:
            key = secrets_store.registration_secret(self.paths).encode()
        except HostError as error:
            raise Unable from error
        parts = (nonce, secret.name, secret.password, "notadmin", "support")
        mac = hmac.new(key, b"\0".join(part.encode() for part in parts), hashlib.sha1)
        body = {
            "nonce": nonce, "username": secret.name, "password": secret.password, "admin": False,
            "user_type": "support", "mac": mac.hexdigest(),
        }  # fmt: skip
        return self._answer("POST", path, body)

    def _room(self) -> str:
        secret = self._secret()
        if secret.room:
            return secret.room
        body = {"preset": "private_chat", "visibility": "private", "name": "health gate"}
        room = str(self._ask("POST", "/_matrix/client/v3/createRoom", body)["room_id"])
        self._write(replace(secret, room=room))
        return room

    def _send_and_see(self) -> None:
        room = self._room()
        self._sync()
        self._sent += 1
        text = f"Seen at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
        transaction = f"{self._begun:.0f}.{self._sent}"
        path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{transaction}"
        status, answer = self._answer("PUT", path, {"msgtype": "m.notice", "body": text})
        if status in {403, 404}:
            self._write(replace(self._secret(), room=""))  # that room is gone; another next time
        if status != 200:
            raise Wrong(self._where("/_matrix/client/v3/rooms/…/send"), _said(status, answer))
        for _ in range(_SYNCS):
            if answer.get("event_id") in self._sync(room, wait=1000):
                return
        raise Wrong(self._where("/_matrix/client/v3/sync"), "lacks what was just sent")

    def _sync(self, room: str = "", wait: int = 0) -> set[str]:
        """What is new in the room since the last time: IDs of events. wait: milliseconds."""
        # Synapse answers a sync without `since` from a cache, for two minutes.
        since = f"&since={quote(self.since)}" if self.since else ""
        answer = self._ask("GET", f"/_matrix/client/v3/sync?timeout={wait}{since}")
        self.since = str(answer.get("next_batch") or "")
        joined = (answer.get("rooms") or {}).get("join") or {}
        events = ((joined.get(room) or {}).get("timeline") or {}).get("events") or []
        return {str(one.get("event_id")) for one in events}

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        status, answer = self._answer(method, path, body)
        if status != 200:
            raise Wrong(self._where(path.partition("?")[0]), _said(status, answer))
        return answer

    def _answer(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        link = http.client.HTTPConnection("127.0.0.1", self.settings.listener.port, _TIMEOUT)
        headers = {
            "Host": self.settings.public_name,
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Proto": "https",
            "User-Agent": "altpeter-matrix",
        }
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        payload = None
        if body is not None:
            payload, headers["Content-Type"] = json.dumps(body), "application/json"
        try:
            link.request(method, path, payload, headers)
            response = link.getresponse()
            text = response.read(4 * 1024**2)
        finally:
            link.close()
        # What only reads is never limited.
        if response.status == 429 and method != "GET":
            raise Busy
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {}
        return response.status, answer if isinstance(answer, dict) else {}

    def _where(self, path: str) -> str:
        return f"http://127.0.0.1:{self.settings.listener.port}{path}"


def _said(status: int, answer: dict[str, Any]) -> str:
    """Never the whole answer, which may hold a token."""
    reason = f": {answer['error']}" if isinstance(answer.get("error"), str) else ""
    return f"answers {status}{reason}"
