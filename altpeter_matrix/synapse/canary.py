"""Trying Synapse as a client and as another server would, with an account made for it.

What is not Synapse's doing, such as a full disk, or what strangers can bring about, such as a
limit of logins that is used up, is no mistake of its. Synapse is asked at its own port, so that
what is wrong with nginx is not laid at its door.
"""

import http.client
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ..base.errors import Problem
from ..base.paths import Paths
from ..settings.model import Settings
from . import canary_account
from .canary_client import LOG, Busy, Client, Gone, Unable, Wrong, said

_SYNCS = 5
_LOGIN = "/_matrix/client/v3/login"
# Limits of Synapse's are over within minutes. Seconds.
_BUSY_WITHIN = 600.0


@dataclass
class Canary:
    """One session; nothing is asked before `look`.

    demanding: whether logging in, sending and reading has to work; else `session` only says that
    it did, since settings (another service that makes the accounts) may forbid it to every version.
    """

    paths: Paths
    settings: Settings
    demanding: bool = True
    session: bool = False
    proved: bool = False  # the last look was thorough, and went through
    slow: bool = False  # the last look got no answer in time
    since: str = ""
    client: Client = field(init=False)
    _sent: int = 0
    _begun: float = field(default_factory=time.time)
    _busy_since: float | None = None
    _wrong: Problem | None = None

    def __post_init__(self) -> None:
        self.client = Client(self.settings)

    def look(self, *, thorough: bool) -> Problem | None:
        """What is wrong, if anything. thorough: also send, and the other questions that write."""
        self.proved = self.slow = False
        self._wrong = self._seen(thorough)
        return self._wrong

    def _seen(self, thorough: bool) -> Problem | None:
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
        except Busy as busy:
            return self._still_busy(thorough, ours=busy.ours)
        except Wrong as wrong:
            return wrong.problem
        except (OSError, http.client.HTTPException) as error:
            self.slow = isinstance(error, TimeoutError)
            return Problem(self.client.where(""), f"does not answer ({error})", LOG)

    def _still_busy(self, thorough: bool, *, ours: bool) -> Problem | None:
        """A limit ends sometime. One that does not is wrong where only this account's own requests
        count; where others' may, it could not be asked, and that is all. What was wrong before is
        wrong until it was asked again: to ask for it again and again may have used up the limit."""
        now = time.monotonic()
        if self._busy_since is None:
            self._busy_since = now
        if now - self._busy_since < _BUSY_WITHIN:
            return self._wrong if ours else None
        if self.demanding and ours:
            what = f"has answered 429, too many requests, for {_BUSY_WITHIN:.0f} s"
            return Problem(self.client.where(""), what, LOG)
        self.proved = thorough
        return None

    def _in_session(self, thorough: bool) -> Problem | None:
        try:
            if thorough:
                self._login()
            for _ in range(2):
                try:
                    self._with_account(thorough)
                    return None
                except Gone:
                    canary_account.forget(self.paths)
            raise Wrong(self.client.where(""), "does not know the token that it has just given")
        except Wrong as wrong:
            return wrong.problem if self.demanding else None

    def _with_account(self, thorough: bool) -> None:
        account = canary_account.read(self.paths)
        if not account.token and thorough:
            account = canary_account.registered(self.paths, self.settings)
        if self.client.token != account.token:
            self.client.token, self.since = account.token, ""
        if not account.token:
            return
        if thorough:
            self._send_and_see()
            self.session = True
        self._sync(canary_account.read(self.paths).room)

    def _versions(self) -> None:
        path = "/_matrix/client/versions"
        if not self._anonymous().ask("GET", path).get("versions"):
            raise Wrong(self.client.where(path), "names no versions")

    def _server_key(self) -> None:
        path = "/_matrix/key/v2/server"
        answer = self._anonymous().ask("GET", path)
        name = self.settings.server_name
        if answer.get("server_name") != name or name not in (answer.get("signatures") or {}):
            raise Wrong(self.client.where(path), f"is not the signed key of {name}")

    def _anonymous(self) -> Client:
        return Client(self.settings, address=self.client.address)

    def _login(self) -> None:
        """A login has to be refused, in the way that says so: of a name that nobody has, so that
        no account's limit is touched, and no account is needed that has a password."""
        client = self._anonymous()
        flows = client.ask("GET", _LOGIN).get("flows")
        if not isinstance(flows, list) or not flows:
            raise Wrong(client.where(_LOGIN), "names no way to log in")
        if not any(_is_password(flow) for flow in flows):
            return
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": secrets.token_hex(16)},
            "password": secrets.token_urlsafe(32),
        }
        try:
            status, answer = client.answer("POST", _LOGIN, body)
        except Busy:
            return  # whoever has used that up: it could not be asked
        if status == 200:
            raise Wrong(client.where(_LOGIN), "lets somebody in who does not exist")
        if status != 403:
            raise Wrong(client.where(_LOGIN), said(status, answer))

    def _send_and_see(self) -> None:
        room = canary_account.room_of(self.paths, self.client)
        self._sync(room)
        self._sent += 1
        text = f"Seen at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
        transaction = f"{self._begun:.0f}.{self._sent}"
        path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message/{transaction}"
        status, answer = self.client.answer("PUT", path, {"msgtype": "m.notice", "body": text})
        if status in {403, 404}:
            canary_account.forget_room(self.paths)  # it is gone; another one next time
        if status != 200:
            raise Wrong(self.client.where("/_matrix/client/v3/rooms/…/send"), said(status, answer))
        for _ in range(_SYNCS):
            if answer.get("event_id") in self._sync(room, wait=1000):
                return
        raise Wrong(self.client.where("/_matrix/client/v3/sync"), "lacks what was just sent")

    def _sync(self, room: str, wait: int = 0) -> set[str]:
        """What is new in the room since the last time: IDs of events. wait: milliseconds."""
        # Synapse answers a sync without `since` from a cache, for two minutes.
        since = f"&since={quote(self.since)}" if self.since else ""
        path = f"/_matrix/client/v3/sync?timeout={wait}{since}&set_presence=offline"
        answer = self.client.ask("GET", f"{path}&filter={quote(_filter(room))}")
        self.since = str(answer.get("next_batch") or "")
        joined = (answer.get("rooms") or {}).get("join") or {}
        events = ((joined.get(room) or {}).get("timeline") or {}).get("events") or []
        return {str(one.get("event_id")) for one in events}


def _is_password(flow: Any) -> bool:
    return isinstance(flow, dict) and flow.get("type") == "m.login.password"


def _filter(room: str) -> str:
    """Its own room and nothing else, whatever others may have sent it."""
    nothing: dict[str, Any] = {"types": []}
    asked = {
        "room": {"rooms": [room], "account_data": nothing},
        "presence": nothing,
        "account_data": nothing,
    }
    return json.dumps(asked, separators=(",", ":"))
