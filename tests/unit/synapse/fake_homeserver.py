"""A homeserver that knows just enough to answer the canary, rightly or wrongly; with fixtures."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.settings.model import Settings, parse_settings_text
from altpeter_matrix.synapse.canary import Canary

NAME = "example.org"
TOO_MANY = (429, {"errcode": "M_LIMIT_EXCEEDED", "error": "Too Many Requests"})


class Homeserver(ThreadingHTTPServer):
    """Accounts, one room, and answers that a test replaces: path prefix -> (status, body)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.accounts: dict[str, str] = {}
        self.tokens: dict[str, str] = {}
        self.events: list[str] = []
        self.instead: dict[str, tuple[int, dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.addresses: set[str] = set()
        self.barred: dict[str, tuple[int, dict[str, Any]]] = {}
        self.forgets_messages = False
        self.delay = 0.0

    def answer(
        self, method: str, path: str, body: Any, token: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        self.asked.append(f"{method} {path.partition('?')[0]}")
        for prefix, instead in self.instead.items():
            if path.startswith(prefix) or f"{method} {path}".startswith(prefix):
                return instead
        if token is not None and token not in self.tokens:
            return 401, {"errcode": "M_UNKNOWN_TOKEN"}
        if token in self.barred:
            return self.barred[token]
        for prefix, usual in self._usual(body, token).items():
            if f"{method} {path}".startswith(prefix):
                return usual() if callable(usual) else (200, usual)
        return 404, {}

    def _usual(self, body: Any, token: str | None) -> Mapping[str, Any]:
        return {
            "GET /_matrix/client/versions": {"versions": ["v1.1"]},
            "GET /_matrix/key/v2/server": {"server_name": NAME, "signatures": {NAME: {}}},
            "GET /_matrix/client/v3/login": {"flows": [{"type": "m.login.password"}]},
            "POST /_matrix/client/v3/login": lambda: self._log_in(body),
            "GET /_synapse/admin/v1/register": {"nonce": "n"},
            "POST /_synapse/admin/v1/register": lambda: self._register(body),
            "POST /_matrix/client/v3/account/deactivate": lambda: self._deactivate(body, token),
            "POST /_matrix/client/v3/createRoom": {"room_id": "!room"},
            "PUT /_matrix/client/v3/rooms/": self._send,
            "GET /_matrix/client/v3/sync?timeout=0&since=s": lambda: self._sync(0),
            "GET /_matrix/client/v3/sync?timeout=1000&since=s": lambda: self._sync(1),
            # From a cache, as in Synapse: nothing new.
            "GET /_matrix/client/v3/sync": lambda: self._sync(0),
        }

    def _log_in(self, body: Any) -> tuple[int, dict[str, Any]]:
        name = body["identifier"]["user"]
        if self.accounts.get(name) != body["password"]:
            return 403, {"errcode": "M_FORBIDDEN"}
        return 200, {"access_token": self._token(name)}

    def _token(self, name: str) -> str:
        token = f"token{len(self.asked)}"
        self.tokens[token] = name
        return token

    def _register(self, body: Any) -> tuple[int, dict[str, Any]]:
        assert body["username"] not in self.accounts
        assert body["user_type"] == "support" and body["admin"] is False
        assert body["displayname"] == ""
        name = body["username"]
        self.accounts[name] = body["password"]
        return 200, {"user_id": f"@{name}:{NAME}", "access_token": self._token(name)}

    def _deactivate(self, body: Any, token: str | None) -> tuple[int, dict[str, Any]]:
        name = self.tokens[token or ""]
        assert self.accounts.pop(name) == body["auth"]["password"]
        return 200, {}

    def _send(self) -> tuple[int, dict[str, Any]]:
        self.events.append(f"$event{len(self.events)}")
        return 200, {"event_id": self.events[-1]}

    def _sync(self, newest: int) -> tuple[int, dict[str, Any]]:
        shown = [] if self.forgets_messages or not newest else self.events[-newest:]
        joined = {"!room": {"timeline": {"events": [{"event_id": one} for one in shown]}}}
        return 200, {"next_batch": f"s{len(self.events)}", "rooms": {"join": joined}}


class Handler(BaseHTTPRequestHandler):
    server: Homeserver

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.server.addresses.add(self.headers["X-Forwarded-For"])
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        status, answer = self.server.answer(self.command, self.path, body, token)
        time.sleep(self.server.delay)
        with suppress(BrokenPipeError):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

    do_GET = do_PUT = do_POST = _serve

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def homeserver() -> Iterator[Homeserver]:
    server = Homeserver()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path)
    paths.state.mkdir(parents=True)
    paths.secrets.mkdir(parents=True)
    (paths.secrets / "registration_shared_secret").write_text("secret\n")
    return paths


def settings_for(homeserver: Homeserver) -> Settings:
    port = homeserver.server_address[1]
    return parse_settings_text(f"server_name: {NAME}\nlistener: {{port: {port}}}\n", source="test")


def new_canary(paths: Paths, homeserver: Homeserver, demanding: bool = True) -> Canary:
    return Canary(paths, settings_for(homeserver), demanding=demanding)
