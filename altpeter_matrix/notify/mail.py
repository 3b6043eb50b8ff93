"""Mail to the administrator: through the host's sendmail or, without one, the settings' server."""

from email.message import EmailMessage
from pathlib import Path

from ..base.commands import last_lines, run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..settings.model import Settings
from ..synapse import secrets_store
from . import smtp
from .news import Message

SENDMAIL = Path("/usr/sbin/sendmail")
_TIMEOUT = 30.0


def sendmail_exists() -> bool:
    return SENDMAIL.exists()


def send(paths: Paths, settings: Settings | None, address: str, message: Message) -> None:
    """HostError when it was not taken."""
    mail = EmailMessage()
    mail["To"] = address
    mail["Subject"] = message.title
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot is to answer
    if message.urgent:
        mail["Importance"] = "high"  # RFC 2156
    mail.set_content(message.text)
    if sendmail_exists():
        _by_sendmail(address, mail)
    elif settings is not None and settings.email is not None:
        account = smtp.Account(
            settings.email, secrets_store.smtp_password(paths, settings), settings.public_name
        )
        smtp.send(account, address, mail, _TIMEOUT)
    else:
        raise HostError(
            Problem(
                f"mail to {address}", f"there is no {SENDMAIL}, and no email in settings.yaml",
                "install a mail program such as msmtp-mta or postfix, or set email",
            )
        )  # fmt: skip


def _by_sendmail(address: str, mail: EmailMessage) -> None:
    done = run(SENDMAIL, "-i", "--", address, input=mail.as_string(), timeout=_TIMEOUT, check=False)
    if not done.ok:
        raise HostError(
            Problem(
                f"mail to {address}",
                f"{SENDMAIL} ended with status {done.returncode}: {last_lines(done.output)}",
                "look at the log of the mail program, then `altpeter-matrix notify test`",
            )
        )
