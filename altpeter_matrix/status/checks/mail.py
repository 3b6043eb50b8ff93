"""Whether mail goes out: Synapse's by the settings' server, the system's by its own."""

import json
import re
import smtplib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

from ...base.commands import run
from ...base.time_limit import at_most
from ...notify.smtp import Account, NotTaken, logged_in
from ...synapse import config_files
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View

_SECONDS = 5.0
_DAY = 86400.0
_POSTFIX, _EXIM = Path("/usr/sbin/postqueue"), Path("/usr/sbin/exim4")
# Of `exim -bp`: 25h  2.9K 1abCde-000123-AB <sender>
_WAITING = re.compile(r"^ *(\d+)([mhdw]) +\S+ +\S+-\S+-\S+ ", re.MULTILINE)
_HOURS = {"m": 1 / 60, "h": 1, "d": 24, "w": 168}


def server(view: View) -> Iterator[Found]:
    """As far as one gets without a mail."""
    settings = view.shared(looks.settings)
    if settings.email is not None:
        options = config_files.read_generated(view.paths.current).get("email")
        password = options.get("smtp_pass") if isinstance(options, dict) else None
        yield from login(Account(settings.email, str(password or ""), settings.public_name))


def login(account: Account) -> Iterator[Found]:
    """What the server says is not repeated: it may say who we are, and to whom it was said."""
    try:
        with logged_in(account, at_most(_SECONDS)):
            return
    except NotTaken as refused:
        place = f"{account.email.smtp_host}:{account.email.smtp_port}"
        step, reason = refused.step, _reason(refused.cause)
        # Where TLS begins at once, it is part of the connection.
        if step == "tls" or (step == "connect" and isinstance(refused.cause, ssl.SSLError)):
            yield found("mail-encryption-refused", place=place, reason=reason)
        elif step == "connect":
            yield found("mail-server-silent", place=place, reason=reason)
        elif step == "login":
            yield found("mail-login-refused", place=place, reason=reason)


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answers {error.smtp_code}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused ({error.verify_message})"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it does not offer that"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def queue(_view: View) -> Iterator[Found]:
    """Mail of the system's own server that has waited for a day."""
    if _POSTFIX.exists():
        old = _old_in_postfix(run(_POSTFIX, "-j", check=False).stdout)
    elif _EXIM.exists():
        old = _old_in_exim(run(_EXIM, "-bp", check=False).stdout)
    else:
        return
    if old:
        yield found("mail-queue-stuck")


def _old_in_postfix(shown: str) -> bool:
    times = (json.loads(line).get("arrival_time") for line in shown.splitlines() if line.strip())
    return any(isinstance(one, int) and time.time() - one > _DAY for one in times)


def _old_in_exim(shown: str) -> bool:
    return any(int(number) * _HOURS[unit] > 24 for number, unit in _WAITING.findall(shown))


CHECKS = (
    Check(
        "the mail server",
        server,
        ("mail-server-silent", "mail-encryption-refused", "mail-login-refused"),
        seconds=12.0,
        daily=True,
        unless=("settings-refused", "resolver-dead"),
    ),
    Check("mail that waits", queue, ("mail-queue-stuck",), daily=True, before_adoption=True),
)
