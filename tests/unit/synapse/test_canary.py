"""The canary, against a homeserver that knows just enough to answer it, rightly or wrongly."""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.settings.model import Settings, parse_settings_text
from altpeter_matrix.synapse import canary_account
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


def test_a_homeserver_that_works_is_asked_for_everything(
    paths: Paths, homeserver: Homeserver
) -> None:
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved and canary.session
    assert len(homeserver.events) == 1
    assert "POST /_matrix/client/v3/login" in homeserver.asked
    assert paths.canary.stat().st_mode & 0o777 == 0o600


def test_the_account_and_its_room_are_used_again(paths: Paths, homeserver: Homeserver) -> None:
    for _ in range(3):
        assert new_canary(paths, homeserver).look(thorough=True) is None
    assert len(homeserver.accounts) == 1
    assert homeserver.asked.count("POST /_matrix/client/v3/createRoom") == 1


def test_nobody_finds_the_account_by_its_name_or_has_its_password(
    paths: Paths, homeserver: Homeserver
) -> None:
    assert new_canary(paths, homeserver).look(thorough=True) is None
    ((name, password),) = homeserver.accounts.items()
    assert re.fullmatch(r"altpeter-matrix-canary-[0-9a-f]{32}", name)
    assert password not in paths.canary.read_text()


def test_it_asks_from_an_address_of_its_own(paths: Paths, homeserver: Homeserver) -> None:
    """The others of this host use up the limit of 127.0.0.1."""
    assert new_canary(paths, homeserver).look(thorough=True) is None
    assert "127.0.0.1" not in homeserver.addresses
    assert all(ip_address(one).is_loopback for one in homeserver.addresses)


@pytest.mark.parametrize(
    "gone",
    [None, (403, {"errcode": "M_USER_SUSPENDED"}), (401, {"errcode": "M_USER_LOCKED"})],
    ids=["deleted", "suspended", "locked"],
)
def test_an_account_that_is_no_more_is_replaced(
    paths: Paths, homeserver: Homeserver, gone: tuple[int, dict[str, Any]] | None
) -> None:
    assert new_canary(paths, homeserver).look(thorough=True) is None
    if gone is None:
        homeserver.tokens.clear()
    else:
        homeserver.barred = dict.fromkeys(homeserver.tokens, gone)
    assert new_canary(paths, homeserver).look(thorough=True) is None
    assert len(homeserver.accounts) == 2


def test_a_token_that_is_never_accepted_is_wrong(paths: Paths, homeserver: Homeserver) -> None:
    homeserver.instead["POST /_matrix/client/v3/createRoom"] = (401, {})
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "does not know the token" in wrong.what


def test_an_account_of_an_older_version_is_deactivated(
    paths: Paths, homeserver: Homeserver
) -> None:
    former = {"name": "altpeter-matrix-canary-abc123", "password": "pw", "room": "!old"}
    paths.canary.write_text(json.dumps(former))
    homeserver.accounts["altpeter-matrix-canary-abc123"] = "pw"
    homeserver.instead["POST /_matrix/client/v3/login"] = TOO_MANY
    settings = settings_for(homeserver)
    canary_account.settle(paths, settings)
    assert len(homeserver.accounts) == 2, "strangers were just using up its logins"
    homeserver.instead.clear()
    token = canary_account.read(paths).token
    canary_account.settle(paths, settings)
    assert "altpeter-matrix-canary-abc123" not in homeserver.accounts
    assert canary_account.read(paths).token == token and "pw" not in paths.canary.read_text()
    asked = len(homeserver.asked)
    canary_account.settle(paths, settings)
    assert len(homeserver.asked) == asked


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/client/versions",
        "/_matrix/key/v2/server",
        "/_matrix/client/v3/login",
        "/_synapse/admin/v1/register",
        "/_matrix/client/v3/createRoom",
        "/_matrix/client/v3/rooms/",
        "/_matrix/client/v3/sync",
    ],
)
def test_each_wrong_answer_is_noticed(paths: Paths, homeserver: Homeserver, path: str) -> None:
    homeserver.instead[path] = (500, {"error": "Internal server error"})
    canary = new_canary(paths, homeserver)
    wrong = canary.look(thorough=True)
    assert wrong is not None and "answers 500: Internal server error" in wrong.what
    assert not canary.proved


def test_a_message_that_does_not_arrive_is_noticed(paths: Paths, homeserver: Homeserver) -> None:
    homeserver.forgets_messages = True
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "lacks what was just sent" in wrong.what


def test_no_answer_is_noticed(paths: Paths, homeserver: Homeserver) -> None:
    canary = new_canary(paths, homeserver)
    homeserver.shutdown()
    homeserver.server_close()
    wrong = canary.look(thorough=False)
    assert wrong is not None and "does not answer" in wrong.what


def test_too_many_requests_are_neither_wrong_nor_a_proof(
    paths: Paths, homeserver: Homeserver
) -> None:
    homeserver.instead["/_matrix/client/v3/createRoom"] = TOO_MANY
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert not canary.proved


def test_too_many_requests_for_ever_are_wrong_where_they_were_not_before(
    paths: Paths, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altpeter_matrix.synapse.canary._BUSY_WITHIN", 0)
    homeserver.instead["/_matrix/client/v3/createRoom"] = TOO_MANY
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "has answered 429" in wrong.what
    canary = new_canary(paths, homeserver, demanding=False)
    assert canary.look(thorough=True) is None
    assert canary.proved and not canary.session


def test_a_limit_that_strangers_can_use_up_is_never_wrong(
    paths: Paths, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altpeter_matrix.synapse.canary._BUSY_WITHIN", 0)
    homeserver.instead["POST /_matrix/client/v3/login"] = TOO_MANY
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved and canary.session, "everything else could be asked"
    paths.canary.unlink()
    homeserver.instead["POST /_synapse/admin/v1/register"] = TOO_MANY
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved and not canary.session


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, {"access_token": "x"}), "lets somebody in who does not exist"),
        ((500, {"error": "Internal server error"}), "answers 500"),
        ((404, {}), "answers 404"),
    ],
)
def test_a_login_that_is_broken_is_noticed(
    paths: Paths, homeserver: Homeserver, answer: tuple[int, dict[str, Any]], says: str
) -> None:
    homeserver.instead["POST /_matrix/client/v3/login"] = answer
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and says in wrong.what


@pytest.mark.parametrize("flows", [{}, {"flows": []}, {"flows": {}}])
def test_a_server_without_any_way_to_log_in_is_wrong(
    paths: Paths, homeserver: Homeserver, flows: dict[str, Any]
) -> None:
    homeserver.instead["GET /_matrix/client/v3/login"] = (200, flows)
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "names no way to log in" in wrong.what


def test_what_is_wrong_stays_so_while_asking_again_is_limited(
    paths: Paths, homeserver: Homeserver
) -> None:
    """Each time that a message is refused counts in the limit of messages."""
    send = "PUT /_matrix/client/v3/rooms/"
    canary = new_canary(paths, homeserver)
    homeserver.instead[send] = (500, {"error": "broken"})
    assert "answers 500: broken" in str(canary.look(thorough=True))
    homeserver.instead[send] = TOO_MANY
    assert "answers 500: broken" in str(canary.look(thorough=True))
    assert not canary.proved
    homeserver.instead.clear()
    assert canary.look(thorough=True) is None
    homeserver.instead[send] = TOO_MANY
    assert canary.look(thorough=True) is None


def test_who_does_not_answer_in_time_is_told_from_who_does_not_answer(
    paths: Paths, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = new_canary(paths, homeserver)
    monkeypatch.setattr("altpeter_matrix.synapse.canary_client.TIMEOUT", 0.2)
    homeserver.delay = 1.0
    assert canary.look(thorough=False) is not None and canary.slow
    homeserver.shutdown()
    homeserver.server_close()
    assert canary.look(thorough=False) is not None and not canary.slow


def test_too_many_requests_for_what_is_never_limited_are_wrong(
    paths: Paths, homeserver: Homeserver
) -> None:
    homeserver.instead["/"] = TOO_MANY
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "answers 429: Too Many Requests" in wrong.what


def test_where_passwords_are_off_no_login_is_tried(paths: Paths, homeserver: Homeserver) -> None:
    homeserver.instead["GET /_matrix/client/v3/login"] = (200, {"flows": [{"type": "m.login.sso"}]})
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved and canary.session, "its account needs no password"
    assert "POST /_matrix/client/v3/login" not in homeserver.asked


def test_what_never_worked_is_not_demanded(paths: Paths, homeserver: Homeserver) -> None:
    homeserver.instead["/_matrix/client/v3/createRoom"] = (403, {"error": "consent not given"})
    canary = new_canary(paths, homeserver, demanding=False)
    assert canary.look(thorough=True) is None
    assert canary.proved and not canary.session


def test_what_is_wrong_with_this_host_is_not_laid_at_its_door(
    paths: Paths, homeserver: Homeserver
) -> None:
    (paths.secrets / "registration_shared_secret").unlink()
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved
