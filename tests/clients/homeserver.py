"""A homeserver as a client on the internet meets it: HTTPS, verified, by name."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

TIMEOUT = 100.0


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def expect(self, status: int) -> "Answer":
        """This answer, or an AssertionError that shows it when its status is another."""
        assert self.status == status, f"expected {status}, got {self.status}: {self.body[:500]!r}"
        return self


class _Connection(http.client.HTTPSConnection):
    """HTTPS to a fixed address: the name serves for SNI, Host and verification only."""

    def __init__(self, name: str, address: str, context: ssl.SSLContext) -> None:
        super().__init__(name, timeout=TIMEOUT, context=context)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), TIMEOUT)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)


@dataclass(frozen=True)
class Homeserver:
    """Where a homeserver is and how to verify it."""

    server_name: str
    public_name: str
    address: str
    ca_file: Path

    @property
    def base_url(self) -> str:
        return f"https://{self.public_name}"

    def user_id(self, localpart: str) -> str:
        return f"@{localpart}:{self.server_name}"

    def tls(self) -> ssl.SSLContext:
        """A verifying context that trusts the lab's CA and nothing else."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def resolver(self) -> "FixedResolver":
        return FixedResolver(self.address)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: bytes | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> Answer:
        """Send one request; a mapping as body goes as JSON. name: another of its host names."""
        all_headers = dict(headers or {})
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, Mapping):
            all_headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        connection = _Connection(name or self.public_name, self.address, self.tls())
        try:
            # Refused while the body was still going up; the answer is there to read.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=body, headers=all_headers)
            response = connection.getresponse()
            return Answer(
                status=response.status,
                headers={key.lower(): value for key, value in response.getheaders()},
                body=response.read(),
            )
        finally:
            connection.close()

    def login(self, localpart: str, password: str) -> str:
        """Log in with a password; return the access token."""
        answer = self.request(
            "POST",
            "/_matrix/client/v3/login",
            body={
                "type": "m.login.password",
                "identifier": {"type": "m.id.user", "user": localpart},
                "password": password,
            },
        )
        return str(answer.expect(200).json["access_token"])


class FixedResolver(AbstractResolver):
    """Resolves every name to one address, for aiohttp."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        version = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        return [
            ResolveResult(
                hostname=host,
                host=self._address,
                port=port,
                family=version,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held open."""
