"""What is wrong when a mail server does not take a mail, and what to do."""

import smtplib
import socket
import ssl
from typing import Literal

from ..base.errors import Problem
from ..base.text import visible
from ..settings.model import USUAL_SMTP_PORTS, Email

Step = Literal["connect", "tls", "login", "mail"]


def problem(error: Exception, step: Step, email: Email, address: str) -> Problem:
    """Of what smtplib raised at a step on the way to an address."""
    where = f"{email.smtp_host}:{email.smtp_port}"
    what, remedy = _explained(error, step, email, address)
    return Problem(where, what, f"{remedy}; then `altpeter-matrix mail test {address}`")


def _explained(error: Exception, step: Step, email: Email, address: str) -> tuple[str, str]:
    return (
        _refused(error, email, address)
        or _not_offered(error, email, step)
        or _of_tls(error, email)
        or _of_connection(error, email)
    )


def _refused(error: Exception, email: Email, address: str) -> tuple[str, str] | None:
    match error:
        case smtplib.SMTPRecipientsRefused():
            return (
                f"refuses the recipient {address}: {_refusal(error, address)}",
                "write an address that it delivers to; many servers relay only after a login,"
                " see email.username",
            )
        case smtplib.SMTPSenderRefused():
            return (
                f"refuses the sender {error.sender}: {_said(error)}",
                "set email.from to an address that this account may send from",
            )
        case smtplib.SMTPAuthenticationError():
            return (
                f"refuses the login of {email.username}: {_said(error)}",
                f"correct email.username, or the password in {email.password_file}; some providers"
                " want a password made for programs",
            )
        case smtplib.SMTPDataError():
            return (
                f"refuses the mail: {_said(error)}",
                "ask the provider what it objects to; often the sender's domain lacks SPF or DKIM"
                " for this server",
            )
        case smtplib.SMTPResponseException():
            return f"refuses: {_said(error)}", "ask the provider why"
    return None


def _not_offered(error: Exception, email: Email, step: Step) -> tuple[str, str] | None:
    if isinstance(error, UnicodeError):
        return (
            "cannot be told letters beyond ASCII in a login",
            f"use an ASCII user name, and such a password in {email.password_file}",
        )
    if not isinstance(error, smtplib.SMTPNotSupportedError):
        return None
    if step == "tls":
        return (
            "offers no STARTTLS",
            "set email.security: tls (port 465), or ask the provider for the right port",
        )
    return (
        "offers no login, or not for what is to be sent",
        "set email.security: starttls or tls, or remove email.username",
    )


def _of_tls(error: Exception, email: Email) -> tuple[str, str] | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not right: {error.verify_message}",
            "set email.smtp_host to the name that the certificate has, or have the certificate"
            " of its authority trusted (`update-ca-certificates`)",
        )
    if isinstance(error, ssl.SSLError):
        return f"speaks no TLS there ({error.reason or error})", _wrong_port(email)
    return None


def _of_connection(error: Exception, email: Email) -> tuple[str, str]:
    match error:
        case socket.gaierror():
            return (
                f"there is no address of {email.smtp_host} ({error.strerror})",
                f"correct email.smtp_host, and look at `getent ahosts {email.smtp_host}`",
            )
        case TimeoutError():
            return (
                "does not answer in time",
                "look whether a firewall, or the provider of this host, blocks the port; many block"
                f" 25. {_wrong_port(email)}",
            )
        case ConnectionRefusedError():
            return "refuses the connection", f"correct email.smtp_port. {_wrong_port(email)}"
        case smtplib.SMTPServerDisconnected():
            return f"ends the connection ({error})", _wrong_port(email)
        case OSError() if not isinstance(error, smtplib.SMTPException):
            return f"cannot be reached ({error.strerror or error})", "look at the network"
    return visible(str(error)), _wrong_port(email)


def _wrong_port(email: Email) -> str:
    usual = ", ".join(f"{port} for {kind}" for kind, port in USUAL_SMTP_PORTS.items())
    return (
        f"compare email.security ({email.security}) and email.smtp_port ({email.smtp_port}) with"
        f" what the provider says; usual is {usual}"
    )


def _said(error: smtplib.SMTPResponseException) -> str:
    text = error.smtp_error
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return f"{error.smtp_code} {' '.join(visible(text).split())}"


def _refusal(error: smtplib.SMTPRecipientsRefused, address: str) -> str:
    code, text = error.recipients.get(address, (0, b""))
    return f"{code} {' '.join(visible(text.decode(errors='replace')).split())}"
