"""Accept mail and store it. Runs on the services host, on Debian's own Python.

Port 25 takes plain SMTP; 587 wants STARTTLS and a login, 465 TLS from the first byte and a login,
as providers do. Arguments: directory, certificate, key, user, password.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import sys
from email import message_from_bytes
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

DIRECTORY, CERTIFICATE, KEY, USER, PASSWORD = sys.argv[1:]
NUMBERS = itertools.count(len(list(Path(DIRECTORY).glob("*.eml"))) + 1)


class Sink:
    """Store what arrives, with its envelope in headers of our own; refuse who is called refused."""

    async def handle_RCPT(
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        if address.startswith("refused@"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        assert server.transport is not None
        mail = message_from_bytes(envelope.content)
        mail["X-Lab-Mail-From"] = str(envelope.mail_from)
        mail["X-Lab-Rcpt-To"] = ", ".join(envelope.rcpt_tos)
        login: bytes | None = getattr(session, "auth_data", None)
        mail["X-Lab-Login"] = login.decode() if login else ""
        mail["X-Lab-Port"] = str(server.transport.get_extra_info("sockname")[1])
        path = Path(DIRECTORY, f"{next(NUMBERS):05}.eml")
        # Renamed when whole: readers look from outside at any time.
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(mail.as_bytes())
        unfinished.replace(path)
        return "250 stored"


def authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
) -> AuthResult:
    """Know one user."""
    right = LoginPassword(USER.encode(), PASSWORD.encode())
    if data == right:
        return AuthResult(success=True, auth_data=data.login)
    return AuthResult(success=False, handled=False)


def plain() -> SMTP:
    """Serve port 25."""
    return SMTP(Sink(), hostname="mail.lab.test", enable_SMTPUTF8=True)


def submission(context: ssl.SSLContext, *, implicit: bool) -> SMTP:
    """Serve port 587, or with ``implicit`` port 465."""
    return SMTP(
        Sink(),
        hostname="mail.lab.test",
        tls_context=None if implicit else context,
        require_starttls=not implicit,
        auth_required=True,
        # aiosmtpd counts only STARTTLS as TLS.
        auth_require_tls=not implicit,
        authenticator=authenticate,
    )


async def main() -> None:
    """Listen on all ports until killed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)
    loop = asyncio.get_running_loop()
    await loop.create_server(plain, port=25)
    await loop.create_server(lambda: submission(context, implicit=False), port=587)
    await loop.create_server(lambda: submission(context, implicit=True), port=465, ssl=context)
    await asyncio.Event().wait()


asyncio.run(main())
