"""Telling the administrator of what happened while nobody looked: journal, and mail to root."""

import socket
import syslog
from email.message import EmailMessage
from pathlib import Path

from .commands import run
from .errors import HostError

SENDMAIL = Path("/usr/sbin/sendmail")


def journal(text: str, *, error: bool) -> None:
    """One line of the journal, from `altpeter-matrix`."""
    syslog.openlog("altpeter-matrix")
    syslog.syslog(syslog.LOG_ERR if error else syslog.LOG_NOTICE, text)


def mail(subject: str, text: str) -> bool:
    """Mail root through the system's MTA. False: it refused, so try again later; True also when
    this host has no MTA."""
    if not SENDMAIL.exists():
        return True
    message = EmailMessage()
    message["To"] = "root"
    message["Subject"] = f"[{socket.gethostname()}] {subject}"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot is to answer
    message.set_content(text)
    try:
        return run(SENDMAIL, "-i", "root", input=message.as_string(), timeout=30, check=False).ok
    except HostError:
        return False
