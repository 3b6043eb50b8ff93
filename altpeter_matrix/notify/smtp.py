"""Mail through the server that `email:` of the settings names, as Synapse sends it.

Each line of the dialogue is kept for who asks why it fails, without what must not be seen.
"""

import base64
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import Any

from ..base.errors import HostError
from ..base.redaction import HIDDEN
from ..base.text import visible
from ..settings.model import Email
from . import smtp_remedies
from .smtp_remedies import Step

_APP_NAME = "%(app)s"
_REASONS = (OSError, smtplib.SMTPException, UnicodeError)


@dataclass(frozen=True)
class Account:
    """Whose mail it is. name: what this host calls itself."""

    email: Email
    password: str | None = field(repr=False)
    name: str

    @property
    def sender(self) -> str:
        return self.email.sender.replace(_APP_NAME, self.email.app_name)

    def hidden(self, text: str) -> str:
        """A text of the server's, which may repeat what it was told."""
        if self.password:
            login = f"\0{self.email.username}\0{self.password}"
            for one in (self.password, _coded(self.password), _coded(login)):
                text = text.replace(one, HIDDEN)
        return text


class _Noting(smtplib.SMTP):
    """Says each line that goes to and fro: also those of its making."""

    def __init__(self, say: Callable[[str], None], account: Account, **more: Any) -> None:
        self._say, self._account, self._logs_in = say, account, False
        email = account.email
        super().__init__(email.smtp_host, email.smtp_port, local_hostname=account.name, **more)

    def send(self, s: Any) -> None:
        if isinstance(s, str):
            words = s.split()
            if self._logs_in:
                words = [*words[:2], HIDDEN] if words[:1] == ["AUTH"] else [HIDDEN]
            self._say(f"> {' '.join(words)}")
        else:
            self._say(f"> (the mail, {len(s)} bytes)")
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        code, text = super().getreply()
        said = self._account.hidden(text.decode(errors="replace"))
        for line in said.splitlines() or [""]:
            self._say(f"< {code} {visible(line)}")
        return code, text

    def auth(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        self._logs_in = True
        try:
            return super().auth(*args, **kwargs)
        finally:
            self._logs_in = False


class _NotingTls(_Noting, smtplib.SMTP_SSL):
    """The same where TLS begins at once."""


class NotTaken(Exception):
    """What ended a dialogue. cause: what Python raised at that step."""

    def __init__(self, step: Step, cause: Exception) -> None:
        super().__init__(str(cause))
        self.step, self.cause = step, cause


def send(
    account: Account,
    address: str,
    mail: EmailMessage,
    timeout: float,
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """HostError says at which step it failed, and what to do.

    say: told each line: > from here, < from the server, * what was done.
    """
    _complete(account, mail)
    try:
        with logged_in(account, timeout, say) as link:
            link.send_message(mail, parseaddr(account.sender)[1], [address])
    except NotTaken as refused:
        problem = smtp_remedies.problem(refused.cause, refused.step, account.email, address)
        raise HostError(replace(problem, what=account.hidden(problem.what))) from None


@contextmanager
def logged_in(
    account: Account, timeout: float, say: Callable[[str], None] = lambda _: None
) -> Iterator[smtplib.SMTP]:
    """A connection that is ready for a mail. NotTaken: at which step it ended, the caller's (mail)
    too. say: as above."""
    step: Step = "connect"
    where = f"{account.email.smtp_host}:{account.email.smtp_port}"
    link: smtplib.SMTP | None = None
    try:
        found = socket.getaddrinfo(account.email.smtp_host, None, type=socket.SOCK_STREAM)
        addresses = sorted({str(one[4][0]) for one in found})
        say(f"* {account.email.smtp_host} is {', '.join(addresses)}")
        say(f"* connecting to {where} ({account.email.security})")
        link = _connected(account, timeout, say)
        if account.email.security == "starttls":
            step = "tls"
            link.starttls(context=ssl.create_default_context())
            say("* TLS has begun, and the certificate is right")
        if account.email.username is not None:
            step = "login"
            link.login(account.email.username, account.password or "")
        step = "mail"
        yield link
    except _REASONS as error:
        raise NotTaken(step, error) from None
    finally:
        if link is not None:
            # How it takes the farewell says nothing of what was done before.
            with suppress(*_REASONS):
                link.quit()
            link.close()


def _connected(account: Account, timeout: float, say: Callable[[str], None]) -> smtplib.SMTP:
    if account.email.security != "tls":
        return _Noting(say, account, timeout=timeout)
    link = _NotingTls(say, account, timeout=timeout, context=ssl.create_default_context())
    say("* TLS has begun, and the certificate is right")
    return link


def _complete(account: Account, mail: EmailMessage) -> None:
    mail["From"] = account.sender
    mail["Date"] = formatdate()
    mail["Message-ID"] = make_msgid(domain=account.name)


def _coded(secret: str) -> str:
    return base64.b64encode(secret.encode()).decode()
