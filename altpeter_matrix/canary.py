"""Trying Synapse as a client and as another server would, with an account made for it.

The account has no rights, one private room of its own, and a random password that only root can
read. It is of the type "support": Synapse leaves those out of its user directory and statistics.
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
_LOG = "read `journalctl -u matrix-synapse`"


@dataclass(frozen=True)
class Secret:
    """The content of canary.json."""

    password: str
    room: str = ""


class Wrong(Exception):
    """Synapse did not answer as it must."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.problem = Problem(where, what, _LOG)


@dataclass
class Canary:
    """One session; nothing is asked before `look`."""

    paths: Paths
    settings: Settings
    token: str = ""
    since: str = ""
    _password_login: bool = True
    _sent: int = 0
    _begun: float = field(default_factory=time.time)

    def look(self, *, thorough: bool) -> Problem | None:
        """What is wrong, if anything. thorough: also send, and the other questions that write."""
        try:
            self._versions()
            if thorough:
                self._server_key()
                self._log_in()
            if self.token:
                if thorough:
                    self._send_and_see()
                self._sync()
        except Wrong as wrong:
            return wrong.problem
        except (OSError, http.client.HTTPException) as error:
            return Problem(self._where(""), f"does not answer ({error})", _LOG)
        except HostError as error:
            return error.problems[0]
        return None

    def leave(self) -> None:
        """Log out. Best effort: an old session does no harm."""
        if self.token:
            try:
                self._ask("POST", "/_matrix/client/v3/logout", {})
            except (OSError, http.client.HTTPException, Wrong):
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
        secret = self._secret()
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": NAME},
            "password": secret.password,
            "device_id": "HEALTHGATE",
            "initial_device_display_name": "health gate",
        }
        status, answer = self._answer("POST", "/_matrix/client/v3/login", body)
        if status == 403:
            # Never made, or on a database from a backup.
            self._register(secret.password)
            status, answer = self._answer("POST", "/_matrix/client/v3/login", body)
        if status == 429:
            return  # it works, and says that there were many
        if status != 200 or "access_token" not in answer:
            raise Wrong(self._where("/_matrix/client/v3/login"), _said(status, answer))
        self.token = str(answer["access_token"])

    def _secret(self) -> Secret:
        try:
            return Secret(**json.loads(self.paths.canary.read_bytes()))
        except (OSError, ValueError, TypeError):
            secret = Secret(secrets.token_urlsafe(32))
            self._write(secret)
            return secret

    def _write(self, secret: Secret) -> None:
        disk.replace(self.paths.canary, f"{json.dumps(asdict(secret))}\n".encode(), 0o600)

    def _register(self, password: str) -> None:
        """Synapse's documentation: "Shared-Secret Registration", with a user type."""
        path = "/_synapse/admin/v1/register"
        nonce = str(self._ask("GET", path).get("nonce"))
        key = secrets_store.registration_secret(self.paths).encode()
        parts = (nonce, NAME, password, "notadmin", "support")
        mac = hmac.new(key, b"\0".join(part.encode() for part in parts), hashlib.sha1)
        body = {
            "nonce": nonce, "username": NAME, "password": password, "admin": False,
            "user_type": "support", "mac": mac.hexdigest(),
        }  # fmt: skip
        self._ask("POST", path, body)

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
        self._sent += 1
        text = f"Seen at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
        transaction = f"{self._begun:.0f}.{self._sent}"
        path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{transaction}"
        status, answer = self._answer("PUT", path, {"msgtype": "m.notice", "body": text})
        if status in {403, 404}:
            self._write(replace(self._secret(), room=""))  # that room is gone; another next time
        if status == 429:
            return
        if status != 200:
            raise Wrong(self._where("/_matrix/client/v3/rooms/…/send"), _said(status, answer))
        event = answer.get("event_id")
        limit = quote('{"room":{"timeline":{"limit":20}},"presence":{"not_types":["*"]}}')
        seen = self._ask("GET", f"/_matrix/client/v3/sync?timeout=0&filter={limit}")
        rooms = (seen.get("rooms") or {}).get("join") or {}
        events = ((rooms.get(room) or {}).get("timeline") or {}).get("events") or []
        if event not in {one.get("event_id") for one in events}:
            raise Wrong(self._where("/_matrix/client/v3/sync"), "lacks what was just sent")
        self.since = str(seen.get("next_batch") or "")

    def _sync(self) -> None:
        if self.since:
            path = f"/_matrix/client/v3/sync?timeout=0&since={quote(self.since)}"
            self.since = str(self._ask("GET", path).get("next_batch") or "")

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
