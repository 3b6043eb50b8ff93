"""Looking at a deployed host: as a client, and from inside."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.hosts import status
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host

VERSIONS = "/_matrix/client/versions"
# Everything that a refused change must leave alone. `status.json` is where a refusal is recorded;
# the rest of what is left out is the health gate's, the watch's and the daily sample, which have
# times of their own.
STATE = """
import hashlib, json, os, subprocess

OURS = "/var/lib/altpeter-matrix"
BESIDES = {
    OURS + "/" + name
    for name in ("status.json", "upgrades.json", "canary.json", "packages", "usage-samples.jsonl",
                 "notify.json")
}

def files(top):
    for directory, folders, names in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(directory, name) not in BESIDES]
        for name in [*folders, *names]:
            path = os.path.join(directory, name)
            if path in BESIDES:
                continue
            entry = os.lstat(path)
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                content = hashlib.sha256(open(path, "rb").read()).hexdigest()
            else:
                content = ""
            yield path, f"{entry.st_mode:o} {entry.st_uid}:{entry.st_gid} {content}"

def output(*argv):
    return subprocess.run(argv, capture_output=True, text=True).stdout

state = {}
for top in ("/etc", OURS, "/usr/share/keyrings"):
    state.update(files(top))
state["packages"] = output("dpkg-query", "-W")
for unit in ("nginx", "matrix-synapse", "postgresql"):
    state[unit] = output("systemctl", "show", unit, "-p", "ActiveState", "-p", "InvocationID")
state["nginx workers"] = output("pgrep", "-f", "nginx: worker process")
state["databases"] = output("runuser", "-u", "postgres", "--", "psql", "-Atc",
    "select datname from pg_database union select rolname from pg_roles order by 1")
print(json.dumps(state))
"""


def state_of(host: Host) -> dict[str, str]:
    """Every fact about a host that a refused change must leave as it is."""
    state: dict[str, str] = json.loads(host.run("python3", "-", input=STATE).stdout)
    return state


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What differs between two states, small enough to read in a failed test."""
    keys = sorted(set(before) | set(after))
    gone = "(not there)"
    return {
        key: (before.get(key, gone)[:300], after.get(key, gone)[:300])
        for key in keys
        if before.get(key) != after.get(key)
    }


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    certificate: Mapping[str, Any]  # as ssl.SSLSocket.getpeercert() has it

    def json(self) -> Any:
        return json.loads(self.body)


def connect(
    address: str, name: str, ca_file: str | None, port: int = 443, timeout: float = 20
) -> http.client.HTTPSConnection:
    """A connection to an address under a name; without a ca_file nothing is verified."""
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(name, port, context=context, timeout=timeout)
    plain = socket.create_connection((address, port), timeout=timeout)
    try:
        connection.sock = context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise
    return connection


def request(
    deployment: Deployment,
    path: str = VERSIONS,
    *,
    method: str = "GET",
    body: Mapping[str, Any] | None = None,
    token: str | None = None,
    name: str | None = None,
    port: int = 443,
    timeout: float = 20,
) -> Answer:
    """One request over a connection of its own, the certificate verified."""
    connection = connect(
        deployment.host.ipv4,
        name or deployment.public_name,
        str(deployment.ca_file),
        port,
        timeout,
    )
    try:
        certificate: Any = connection.sock.getpeercert()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        payload = None if body is None else json.dumps(body)
        connection.request(method, path, body=payload, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read(), certificate)
    finally:
        connection.close()


def wait_until_serving(deployment: Deployment, within: float = 60) -> None:
    """Wait until a client gets Synapse's own answer through nginx."""
    end = time.monotonic() + within
    seen = "nothing"
    while time.monotonic() < end:
        try:
            answer = request(deployment)
            if answer.status == 200 and "versions" in answer.json():
                return
            seen = f"{answer.status} {answer.body[:200]!r}"
        except OSError as error:
            seen = repr(error)
        time.sleep(0.3)
    raise AssertionError(f"{deployment.host.name} does not serve within {within:.0f} s: {seen}")


def login(deployment: Deployment, password: str | None = None) -> str:
    """Log the administrator in; return the access token."""
    answer = request(
        deployment,
        "/_matrix/client/v3/login",
        method="POST",
        body={
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": deployment.administrator},
            "password": password or deployment.administrator_password,
        },
    )
    assert answer.status == 200, answer.body
    return str(answer.json()["access_token"])


def upload_limit(deployment: Deployment, token: str) -> int:
    """The upload limit that the *running* Synapse works by."""
    answer = request(deployment, "/_matrix/client/v1/media/config", token=token)
    assert answer.status == 200, answer.body
    return int(answer.json()["m.upload.size"])


def well_known_client(deployment: Deployment, name: str | None = None) -> dict[str, Any]:
    """/.well-known/matrix/client as the running nginx serves it."""
    answer = request(deployment, "/.well-known/matrix/client", name=name)
    assert answer.status == 200, answer.body
    document: dict[str, Any] = answer.json()
    return document


def installed_synapse(host: Host) -> str:
    return host.run("dpkg-query", "-W", "-f", "${Version}", "matrix-synapse-py3").stdout


class UpgradeHistory:
    """`altpeter-matrix upgrades --json`, asked only when the file behind it is another one: tests
    look again and again until something happens, and asking costs much more than that."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._file = host.root / "var/lib/altpeter-matrix/upgrades.json"
        self._state: tuple[int, ...] | None = None
        self._said: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """The answer as it is now."""
        state = None
        with suppress(FileNotFoundError):
            entry = self._file.stat()
            state = (entry.st_ino, entry.st_mtime_ns, entry.st_size)
        if state is None or state != self._state:
            shown = self._host.run("altpeter-matrix", "upgrades", "--json").stdout
            self._state, self._said = state, json.loads(shown)
        return self._said


def settled_history(host: Host) -> dict[str, Any]:
    """`altpeter-matrix upgrades --json` once the health gate knows that what is installed works."""
    end = time.monotonic() + 150
    history = UpgradeHistory(host)
    while True:
        found = history.read()
        good = (found["good"] or {}).get("version")
        if found["trial"] is None and good == installed_synapse(host):
            return found
        assert time.monotonic() < end, f"no verdict: {found}"
        time.sleep(0.5)


def assert_healthy(deployment: Deployment) -> None:
    """The host is well by its own account and by a client's."""
    status.assert_well(deployment.host)
    wait_until_serving(deployment, within=5)


@dataclass
class Traffic:
    """Clients that send requests without a pause: each over a new connection, and one that waits
    for events in long polls, as every real client does."""

    deployment: Deployment
    token: str
    clients: int = 2
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Traffic":
        sync = "/_matrix/client/v3/sync?timeout=3000"
        since = request(self.deployment, sync, token=self.token).json()["next_batch"]
        paths = [VERSIONS] * self.clients + [f"{sync}&since={since}"]
        self._threads = [
            threading.Thread(target=self._send, args=(path,), daemon=True) for path in paths
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self, path: str) -> None:
        while not self._stop.is_set():
            try:
                answer = request(self.deployment, path, token=self.token)
                if answer.status == 200:
                    self.answered += 1
                else:
                    self.failures.append(f"{path}: {answer.status} {answer.body[:200]!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{path}: {error!r}")
                with suppress(TimeoutError):
                    self._stop.wait(0.2)
