"""Asking this host what a client or another server would ask it, over its own loopback."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..base.errors import Problem
from ..base.time_limit import at_most, side_by_side
from ..settings import well_known
from ..settings.model import Settings

_TIMEOUT = 10.0
_AGAIN_AFTER = 0.25


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class _Loopback(http.client.HTTPSConnection):
    """TLS to 127.0.0.1 with another name in SNI. The certificate is not judged here: nginx
    answers with the placeholder until certbot has a real one (`status` looks at it)."""

    def __init__(self, name: str, port: int) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(name, port, timeout=at_most(_TIMEOUT), context=context)
        self._context_without_verification = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._context_without_verification.wrap_socket(plain, server_hostname=self.host)


def get(name: str, path: str, *, port: int = 443, tls: bool = True) -> Answer:
    """GET from this host as `name`; OSError or HTTPException when there is no answer."""
    connection = (
        _Loopback(name, port)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=at_most(_TIMEOUT))
    )
    try:
        connection.request("GET", path, headers={"Host": name, "User-Agent": "altpeter-matrix"})
        response = connection.getresponse()
        headers = {key.lower(): value for key, value in response.getheaders()}
        return Answer(response.status, headers, response.read(1024 * 1024))
    finally:
        connection.close()


@dataclass(frozen=True)
class Probe:
    where: str
    ask: Callable[[], Answer]
    wrong: Callable[[Answer], str | None]
    remedy: str


def probes(settings: Settings, *, nginx: bool, synapse: bool) -> Iterator[Probe]:
    """What must answer, given which services are to run."""
    public = settings.public_name
    see_synapse = "read `journalctl -u matrix-synapse -n 50`"
    see_nginx = "read `journalctl -u nginx -n 50` and /var/log/nginx/error.log"
    if synapse:
        own = settings.listener.port
        yield Probe(
            f"http://127.0.0.1:{own}/health",
            # `own` stays what it is: all may be asked when all were made.
            lambda: get("localhost", "/health", port=own, tls=False),
            lambda answer: None if answer.status == 200 else f"answers {answer.status}",
            see_synapse,
        )
    if nginx and synapse:
        ports = (443, 8448) if settings.federation.port_8448 else (443,)
        for port in ports:
            yield _through_nginx(public, port, see_nginx)
    if nginx:
        for host in _well_known_hosts(settings):
            for name, document in well_known.documents(settings).items():
                yield _document(host, name, document, see_nginx)


def _through_nginx(name: str, port: int, remedy: str) -> Probe:
    path = "/_matrix/client/versions" if port == 443 else "/_matrix/federation/v1/version"
    key = "versions" if port == 443 else "server"

    def wrong(answer: Answer) -> str | None:
        if answer.status != 200:
            return f"answers {answer.status}"
        data = answer.json()
        return None if isinstance(data, dict) and key in data else "is not Synapse's answer"

    return Probe(f"https://{name}:{port}{path}", lambda: get(name, path, port=port), wrong, remedy)


def _document(host: str, name: str, document: Any, remedy: str) -> Probe:
    path = f"/.well-known/matrix/{name}"

    def wrong(answer: Answer) -> str | None:
        if answer.status != 200:
            return f"answers {answer.status}"
        if answer.headers.get("access-control-allow-origin") != "*":
            return "lacks Access-Control-Allow-Origin, so web clients cannot read it"
        return None if answer.json() == json.loads(json.dumps(document)) else "is not ours"

    return Probe(f"https://{host}{path}", lambda: get(host, path), wrong, remedy)


def _well_known_hosts(settings: Settings) -> tuple[str, ...]:
    served_here = settings.federation.delegation != "elsewhere"
    names = (settings.server_name, settings.public_name) if served_here else (settings.public_name,)
    return tuple(dict.fromkeys(names))


def unhealthy(
    settings: Settings,
    *,
    nginx: bool,
    synapse: bool,
    patience: float = 0,
    at_once: bool = False,
) -> list[Problem]:
    """What does not answer as it must.

    at_once: all are asked side by side, so that one that hangs takes no time from the others.

    patience: seconds in which each may begin to, as long as all before it did: a reload takes a
    moment to take effect, and a server that has just started has much to do. Where one has failed,
    the others are asked once.
    """
    if at_once:
        answers = side_by_side(_try, probes(settings, nginx=nginx, synapse=synapse))
        return [problem for problem in answers if problem]
    found: list[Problem] = []
    for probe in probes(settings, nginx=nginx, synapse=synapse):
        deadline = time.monotonic() + (0 if found else patience)
        problem = _try(probe)
        while problem and time.monotonic() < deadline:
            time.sleep(_AGAIN_AFTER)
            problem = _try(probe)
        if problem:
            found.append(problem)
    return found


def _try(probe: Probe) -> Problem | None:
    try:
        what = probe.wrong(probe.ask())
    except (OSError, http.client.HTTPException) as error:
        what = f"does not answer ({error})"
    return Problem(probe.where, what, probe.remedy) if what else None
