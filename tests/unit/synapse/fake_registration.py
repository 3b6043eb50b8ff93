"""Synapse's registration API, with a fixture; imported by the modules that use it."""

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from ..fake_host import NAME, FakeHost


class Registration(http.server.BaseHTTPRequestHandler):
    """Synapse's registration API, as far as it decides whom to believe."""

    taken: set[str]
    admins: set[str]
    secret = ""

    def do_GET(self) -> None:
        self._answer(200, {"nonce": "n1"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        admin = "admin" if body["admin"] else "notadmin"
        message = "\0".join((body["nonce"], body["username"], body["password"], admin))
        mac = hmac.new(self.secret.encode(), message.encode(), hashlib.sha1).hexdigest()
        if mac != body["mac"]:
            self._answer(403, {"errcode": "M_FORBIDDEN", "error": "HMAC incorrect"})
        elif body["username"] in self.taken:
            self._answer(400, {"errcode": "M_USER_IN_USE", "error": "User ID already taken."})
        else:
            self.taken.add(body["username"])
            if body["admin"]:
                self.admins.add(body["username"])
            self._answer(200, {"user_id": f"@{body['username'].lower()}:{NAME}"})

    def _answer(self, code: int, data: dict[str, str]) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(data).encode())

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def registration(serving: FakeHost) -> Iterator[type[Registration]]:
    """The API on a free port, which the settings name."""
    Registration.taken, Registration.admins = set(), set()
    Registration.secret = (serving.paths.secrets / "registration_shared_secret").read_text().strip()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registration) as server:
        serving.settings(f"server_name: {NAME}\nlistener: {{port: {server.server_port}}}\n")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Registration
        server.shutdown()
