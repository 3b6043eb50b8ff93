"""Accounts made the way the administrator makes them: with the host tool."""

import secrets
from dataclasses import dataclass
from typing import Protocol

from tests.clients.homeserver import Homeserver


class Shell(Protocol):
    """The part of a lab host that is needed here."""

    def run(self, *argv: str, input: str | None = None) -> object: ...


@dataclass(frozen=True)
class Account:
    """A user of a homeserver, with the password that logs it in."""

    homeserver: Homeserver
    localpart: str
    password: str

    @property
    def user_id(self) -> str:
        return self.homeserver.user_id(self.localpart)

    def login(self) -> str:
        """A new access token."""
        return self.homeserver.login(self.localpart, self.password)


def create_account(host: Shell, homeserver: Homeserver, name: str) -> Account:
    """Make a new user on ``host``; a random ending keeps repeated runs apart."""
    account = Account(homeserver, f"{name}-{secrets.token_hex(3)}", secrets.token_urlsafe(18))
    host.run(
        "altpeter-matrix",
        "user",
        "create",
        account.localpart,
        "--password-file",
        "-",
        input=account.password + "\n",
    )
    return account
