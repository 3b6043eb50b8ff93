"""No secret of a request is in any log: not in nginx's, not in Synapse's, whatever goes wrong.

Each secret that a request can carry is sent as a marker of its own, in each way that a request can
end: answered, refused, too large, malformed, held, broken off.
"""

import http.client
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.clients.raw_http import send_bytes
from tests.hosts.deployments import Deployment
from tests.hosts.probes import connect, login, request, wait_until_serving

SYNC = "/_matrix/client/v3/sync"
CLOSE = b"HTTP/1.1\r\nConnection: close\r\n"
# Parameters that hold secrets, with a path that takes them.
PARAMETERS = {
    "access_token": SYNC,
    "%61ccess_token": "/_matrix/client/v3/account/whoami",
    "loginToken": "/_matrix/client/v3/login",
    "client_secret": "/_synapse/client/password_reset/email/submit_token",
    "sid": "/_synapse/client/password_reset/email/submit_token",
    "token": "/_matrix/client/v1/register/m.login.registration_token/validity",
    "code": "/_synapse/client/oidc/callback",
    "state": "/_synapse/client/oidc/callback",
    "ticket": "/_matrix/client/v3/login/cas/ticket",
    "session": "/_matrix/client/v3/auth/m.login.sso/fallback/web",
    "url": "/_matrix/client/v1/media/preview_url",
    "key": "/.well-known/matrix/client",
    "any": "/nothing/here",
}


@dataclass
class Markers:
    """Secrets that were sent, by how."""

    run: str = field(default_factory=lambda: f"leak{secrets.token_hex(6)}")
    sent: list[str] = field(default_factory=list)

    def new(self, how: str) -> str:
        self.sent.append(how)
        return f"{self.run}x{len(self.sent) - 1}x"

    def found(self, text: str) -> set[str]:
        return {self.sent[int(number)] for number in re.findall(rf"{self.run}x(\d+)x", text)}


def logs(deployment: Deployment) -> str:
    """Everything that was logged: the files, and each field of the journal."""
    return deployment.host.sh(
        "journalctl --sync; journalctl --no-pager --quiet --all --output=export --since=-30min;"
        " find /var/log -type f ! -path '/var/log/journal/*' -exec cat {} +"
    ).stdout


def head(name: str, target: str, *more: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {name}", *more, "", ""]).encode()


def send(copy: Deployment, data: bytes, port: int = 443) -> int:
    tls = None if port == 80 else copy.public_name
    return send_bytes(copy.host.ipv4, port, data, tls=tls).status


def every_parameter(copy: Deployment, markers: Markers, when: str, token: str | None) -> None:
    for name, path in PARAMETERS.items():
        marker = markers.new(f"{name}, {when}")
        value = f"https%3A%2F%2Fnowhere.test%2F%3Fshare%3D{marker}" if name == "url" else marker
        request(copy, f"{path}?x=1&{name}={value}&y=2", token=token)


def test_no_secret_of_a_request_is_in_any_log(victim: Deployment) -> None:
    markers = Markers()
    token = login(victim)
    every_parameter(victim, markers, "refused", None)
    every_parameter(victim, markers, "with a token", token)
    _headers(victim, markers)
    _bodies(victim, markers, token)
    _refused_by_nginx(victim, markers)
    _while_synapse_is_away(victim, markers)
    _while_held(victim, markers)
    seen = logs(victim)
    # The judgement does see what is logged.
    assert markers.found(seen) == {"a path"}, "secrets are in the logs"


def _headers(copy: Deployment, markers: Markers) -> None:
    name = copy.public_name
    request(copy, f"/_matrix/client/v3/{markers.new('a path')}")
    for header in (
        f"Authorization: Bearer {markers.new('bearer token')}",
        f'Authorization: X-Matrix origin=a.test,key="ed25519:a",sig="{markers.new("X-Matrix")}"',
        f"Cookie: oidc_session={markers.new('cookie')}",
        f"Referer: https://client.test/?loginToken={markers.new('referer, query')}",
        f"Referer: https://client.test/#access_token={markers.new('referer, fragment')}",
        f"Referer: https://user:{markers.new('referer, password')}@client.test/",
    ):
        for path in (SYNC, "/_matrix/federation/v1/event/x", "/nothing"):
            send(copy, head(name, path, header, "Connection: close"))
    basic = markers.new("basic")
    send(copy, head(name, SYNC, f"Authorization: Basic {basic}", "Connection: close"))


def _bodies(copy: Deployment, markers: Markers, token: str) -> None:
    identifier = {"type": "m.id.user", "user": copy.administrator}
    path = "/_matrix/client/v3/login"
    for body in (
        {"type": "m.login.password", "identifier": identifier,
         "password": markers.new("a wrong password")},
        {"type": "m.login.token", "token": markers.new("a login token")},
        {"type": "x", "password": markers.new("odd login")},
    ):  # fmt: skip
        request(copy, path, method="POST", body=body)
    broken = f'{{"password": "{markers.new("broken JSON")}"'.encode()
    length = f"Content-Length: {len(broken)}"
    send(copy, head(copy.public_name, path, length, "Connection: close", method="POST") + broken)
    change = {"new_password": markers.new("a new password")}
    request(copy, "/_matrix/client/v3/account/password", method="POST", body=change, token=token)
    pusher = {"kind": "http", "app_id": "a", "pushkey": markers.new("push key"), "lang": "en",
              "app_display_name": "a", "device_display_name": "a",
              "data": {"url": "https://nowhere.test/_matrix/push/v1/notify"}}  # fmt: skip
    request(copy, "/_matrix/client/v3/pushers/set", method="POST", body=pusher, token=token)


def _refused_by_nginx(copy: Deployment, markers: Markers) -> None:
    name = copy.public_name
    long = "a" * 15000
    requests: tuple[tuple[str, int, Callable[[str], bytes]], ...] = (
        ("port 80", 80, lambda secret: head(name, f"{SYNC}?access_token={secret}")),
        ("port 80, a stranger", 80, lambda secret: head("x.test", f"{SYNC}?access_token={secret}")),
        ("a stranger", 443, lambda secret: head("x.test", f"{SYNC}?access_token={secret}")),
        ("8448", 8448, lambda secret: head(name, f"{SYNC}?access_token={secret}")),
        ("8448, a stranger", 8448, lambda secret: head("x.test", f"{SYNC}?access_token={secret}")),
        ("too long", 443, lambda secret: head(name, f"{SYNC}?access_token={secret}&f={long}")),
        ("far too long", 443,
         lambda secret: head(name, f"{SYNC}?access_token={secret}&f={long * 3}")),
        ("too large", 443,
         lambda secret: head(name, f"/_matrix/media/v3/upload?access_token={secret}",
                             "Content-Length: 99999999999", method="POST")),
        ("headers too large", 443,
         lambda secret: head(name, f"{SYNC}?access_token={secret}", f"X: {long * 3}")),
        ("malformed", 443, lambda secret: head(name, f"/%zz?access_token={secret}")),
        ("two lengths", 443,
         lambda secret: head(name, f"{SYNC}?access_token={secret}", "Content-Length: 1",
                             "Content-Length: 2")),
        ("no such version", 443,
         lambda secret: f"GET {SYNC}?access_token={secret} HTTP/7.0\r\n\r\n".encode()),
        ("HTTP/0.9", 443, lambda secret: f"GET {SYNC}?access_token={secret}\r\n".encode()),
        ("no HTTP at all", 443, lambda secret: f"{secret}\r\n\r\n".encode()),
        ("another method", 443,
         lambda secret: head(name, f"{SYNC}?access_token={secret}", method="TRACE")),
    )  # fmt: skip
    for how, port, make in requests:
        data = make(markers.new(how)).replace(b"HTTP/1.1\r\n", CLOSE)
        send(copy, data, port)
    plain = head(name, f"{SYNC}?access_token={markers.new('plain HTTP on 443')}")
    send_bytes(copy.host.ipv4, 443, plain, tls=None)


def _while_synapse_is_away(copy: Deployment, markers: Markers) -> None:
    """nginx's error log names the request at each failure of Synapse's."""
    host = copy.host
    token = login(copy)
    polling = _long_poll(copy, token, markers.new("broken off"))
    time.sleep(1)
    # Without the hold, so that the failures come at once.
    host.sh("systemctl stop altpeter-matrix-hold.socket; systemctl kill -s KILL matrix-synapse;"
            " systemctl stop matrix-synapse")  # fmt: skip
    try:
        polling.join(30)
        for method in ("GET", "PUT", "POST"):
            for name, path in list(PARAMETERS.items())[:3]:
                secret = markers.new(f"{name}, {method} without Synapse")
                request(copy, f"{path}?{name}={secret}", method=method, body={"password": secret})
        # A body that does not fit into memory is kept in a file, and a warning says so.
        upload = f"/_matrix/media/v3/upload?access_token={markers.new('an upload')}"
        request(copy, upload, method="POST", body={"x": "y" * 2_000_000})
    finally:
        host.run("systemctl", "start", "altpeter-matrix-hold.socket", "matrix-synapse")
        wait_until_serving(copy)


def _while_held(copy: Deployment, markers: Markers) -> None:
    host = copy.host
    host.run("systemctl", "stop", "matrix-synapse")
    path = f"/_matrix/client/versions?access_token={markers.new('held')}"
    waiting = threading.Thread(target=request, args=(copy, path), kwargs={"timeout": 90})
    waiting.start()
    given_up = f"/_matrix/client/versions?access_token={markers.new('held, given up')}"
    with suppress(TimeoutError, http.client.HTTPException):
        request(copy, given_up, timeout=1)
    host.run("systemctl", "start", "matrix-synapse")
    waiting.join(90)
    assert not waiting.is_alive()


def _long_poll(copy: Deployment, token: str, secret: str) -> threading.Thread:
    """A request that is under way when Synapse goes."""

    def poll() -> None:
        since = request(copy, SYNC, token=token).json()["next_batch"]
        connection = connect(copy.host.ipv4, copy.public_name, str(copy.ca_file), timeout=60)
        with suppress(OSError, http.client.HTTPException):
            connection.request(
                "GET", f"{SYNC}?timeout=30000&since={since}&loginToken={secret}",
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            connection.getresponse().read()

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    return thread
