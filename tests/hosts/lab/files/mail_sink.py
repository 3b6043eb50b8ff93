"""Accept every mail and store it. Runs on the services host, on Debian's own Python.

Port 25 takes plain SMTP; 587 wants STARTTLS and a login, 465 TLS from the first byte and a login,
as providers do. Arguments: directory, certificate, key, user, password.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import ssl
import sys
from email import message_from_bytes
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

DIRECTORY, CERTIFICATE, KEY, USER, PASSWORD = sys.argv[1:]
NUMBERS = itertools.count(len(list(Path(DIRECTORY).glob("*.eml"))) + 1)


class Sink:
    """Store what arrives, with its envelope in headers of our own."""

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 (aiosmtpd's name)
        mail = message_from_bytes(envelope.content)
        mail["X-Lab-Mail-From"] = envelope.mail_from
        mail["X-Lab-Rcpt-To"] = ", ".join(envelope.rcpt_tos)
        mail["X-Lab-Login"] = (session.auth_data or b"").decode()
        mail["X-Lab-Port"] = str(server.transport.get_extra_info("sockname")[1])
        path = Path(DIRECTORY, f"{next(NUMBERS):05}.eml")
        # Renamed when whole: readers look from outside at any time.
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_bytes(mail.as_bytes())
        os.replace(unfinished, path)
        return "250 stored"


def authenticate(_server, _session, _envelope, _mechanism, data):
    right = LoginPassword(USER.encode(), PASSWORD.encode())
    if data == right:
        return AuthResult(success=True, auth_data=data.login)
    return AuthResult(success=False, handled=False)


def plain():
    return SMTP(Sink(), hostname="mail.lab.test", enable_SMTPUTF8=True)


def submission(context, *, implicit):
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


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)
    loop = asyncio.get_running_loop()
    await loop.create_server(plain, port=25)
    await loop.create_server(lambda: submission(context, implicit=False), port=587)
    await loop.create_server(lambda: submission(context, implicit=True), port=465, ssl=context)
    await asyncio.Event().wait()


asyncio.run(main())
