"""Asking Synapse at its own port, as a client would, and telling apart whose fault an answer is."""

import http.client
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from ..base.errors import Problem
from ..settings.model import Settings

TIMEOUT = 10.0
LOG = "read `journalctl -u matrix-synapse`"
_LARGEST = 4 * 1024**2
# The account was deactivated, locked or suspended, or is not in this database.
_GONE = {"M_USER_DEACTIVATED", "M_USER_LOCKED", "M_USER_SUSPENDED"}


class Wrong(Exception):
    """Synapse did not answer as it must."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.problem = Problem(where, what, LOG)


class Unable(Exception):
    """It cannot be asked, and Synapse is not to blame."""


class Gone(Exception):
    """The token is of no account any more."""


class Busy(Exception):
    """Synapse says that there were too many requests: to be asked again.

    ours: it was a request with a token that nobody else has, so it counts nobody else's.
    """

    def __init__(self, *, ours: bool) -> None:
        super().__init__()
        self.ours = ours


def _loopback_address() -> str:
    """One that nobody shares: Synapse limits logins by address, and everything that runs on this
    host has the usual one. nginx lets nobody choose it from outside."""
    return f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"


@dataclass
class Client:
    settings: Settings
    token: str = ""
    address: str = field(default_factory=_loopback_address)

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The answer, which has to be a good one."""
        status, answer = self.answer(method, path, body)
        if status != 200:
            raise Wrong(self.where(path.partition("?")[0]), said(status, answer))
        return answer

    def answer(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """Whatever the answer is."""
        link = http.client.HTTPConnection("127.0.0.1", self.settings.listener.port, TIMEOUT)
        headers = {
            "Host": self.settings.public_name,
            "X-Forwarded-For": self.address,
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
            text = response.read(_LARGEST)
        finally:
            link.close()
        # What only reads is never limited.
        if response.status == 429 and method != "GET":
            raise Busy(ours=bool(self.token))
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = {}
        answer = answer if isinstance(answer, dict) else {}
        if self.token and (response.status == 401 or answer.get("errcode") in _GONE):
            raise Gone
        return response.status, answer

    def where(self, path: str) -> str:
        return f"http://127.0.0.1:{self.settings.listener.port}{path}"


def said(status: int, answer: dict[str, Any]) -> str:
    """Never the whole answer, which may hold a token."""
    reason = f": {answer['error']}" if isinstance(answer.get("error"), str) else ""
    return f"answers {status}{reason}"
