"""The dialogue with a mail server: all of it is shown but secrets, and a failure has a remedy."""

import base64
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.notify import smtp, smtp_remedies
from altpeter_matrix.notify.smtp_remedies import Step
from altpeter_matrix.settings.model import Email

PASSWORD = "only for this test"
CODED = base64.b64encode(PASSWORD.encode()).decode()


@dataclass
class Server:
    """Knows one user, and takes no mail for nobody@ or from bad@."""

    mechanisms: str = ""
    got: list[Envelope] = field(default_factory=list)

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        # Some servers repeat what they were told.
        coded = base64.b64encode(data.password).decode()
        said = f"535 5.7.8 {data.password.decode()} ({coded}) is wrong"
        return AuthResult(success=right, handled=False, message=None if right else said)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address.startswith("bad@"):
            return "553 5.7.1 not your address"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.got.append(envelope)
        return "250 stored"


@pytest.fixture
def server() -> Iterator[tuple[Server, Email]]:
    handler = Server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(
        handler, hostname="127.0.0.1", port=port, auth_require_tls=False,
        authenticator=handler.authenticate, auth_exclude_mechanism=["LOGIN"],
    )  # fmt: skip
    controller.start()
    yield handler, Email(
        "127.0.0.1", port, "none", "%(app)s <matrix@example.org>", "matrix", Path("/password"),
        "Chat", True, None,
    )  # fmt: skip
    controller.stop()


def send(
    email: Email, address: str = "a@example.org", password: str = PASSWORD
) -> tuple[list[str], Problem | None]:
    mail = EmailMessage()
    mail["To"] = address
    mail["Subject"] = "A test"
    mail.set_content("Hello\n")
    lines: list[str] = []
    account = smtp.Account(email, password, "matrix.example.org")
    try:
        smtp.send(account, address, mail, 5, lines.append)
    except HostError as error:
        return lines, error.problems[0]
    return lines, None


def test_each_line_is_shown_and_no_secret(server: tuple[Server, Email]) -> None:
    handler, email = server
    lines, problem = send(email)
    assert problem is None
    (got,) = handler.got
    assert (got.mail_from, got.rcpt_tos) == ("matrix@example.org", ["a@example.org"])
    assert b"From: Chat <matrix@example.org>" in (got.content or b"")
    text = "\n".join(lines)
    for part in (
        "* 127.0.0.1 is 127.0.0.1", "< 220 ", "> ehlo matrix.example.org", "> AUTH PLAIN «secret»",
        "< 235 ", "> mail FROM:<matrix@example.org>", "> rcpt TO:<a@example.org>", "> data",
        "bytes)", "< 250 stored", "> quit", "< 221 ",
    ):  # fmt: skip
        assert part.lower() in text.lower(), text
    assert PASSWORD not in text and CODED not in text
    assert base64.b64encode(f"\0matrix\0{PASSWORD}".encode()).decode() not in text


def test_a_server_that_repeats_the_password_does_not_show_it(server: tuple[Server, Email]) -> None:
    wrong = f"wrong {PASSWORD}"
    lines, problem = send(server[1], password=wrong)
    assert problem is not None and "refuses the login of matrix" in problem.what
    assert "/password" in problem.remedy
    text = "\n".join([*lines, str(problem)])
    assert wrong not in text and base64.b64encode(wrong.encode()).decode() not in text, text


def test_a_password_that_smtp_cannot_carry(server: tuple[Server, Email]) -> None:
    lines, problem = send(server[1], password="geheim-ä")
    assert problem is not None and "beyond ASCII" in problem.what
    assert "geheim" not in "\n".join([*lines, str(problem)])


def test_what_is_refused_has_a_remedy(server: tuple[Server, Email]) -> None:
    lines, problem = send(server[1], "nobody@example.org")
    assert problem is not None
    assert problem.what == "refuses the recipient nobody@example.org: 550 5.1.1 no such user here"
    assert any("no such user" in line for line in lines)
    _, problem = send(replace(server[1], sender="bad@example.org"))
    assert problem is not None
    assert "refuses the sender bad@example.org: 553 5.7.1 not your address" in problem.what
    assert "email.from" in problem.remedy


def test_a_server_without_tls_or_without_anybody(server: tuple[Server, Email]) -> None:
    email = server[1]
    _, problem = send(replace(email, security="starttls"))
    assert problem is not None and problem.what == "offers no STARTTLS"
    _, problem = send(replace(email, security="tls"))
    assert problem is not None and "speaks no TLS" in problem.what
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        _, problem = send(replace(email, smtp_port=unused.getsockname()[1]))
    assert problem is not None and problem.what == "refuses the connection"
    assert "email.smtp_port" in problem.remedy


@pytest.mark.parametrize(
    ("error", "step", "what", "remedy"),
    [
        (socket.gaierror(-2, "Name or service not known"), "connect", "no address", "smtp_host"),
        (TimeoutError(), "connect", "does not answer in time", "firewall"),
        (OSError(101, "Network is unreachable"), "connect", "Network is unreachable", "network"),
        (ssl.SSLCertVerificationError(1, "x"), "tls", "certificate", "update-ca-certificates"),
        (smtplib.SMTPNotSupportedError("x"), "login", "offers no login", "security"),
        (smtplib.SMTPDataError(554, b"spam"), "mail", "refuses the mail: 554 spam", "SPF"),
        (smtplib.SMTPServerDisconnected("gone"), "connect", "ends the connection", "smtp_port"),
        (smtplib.SMTPConnectError(421, b"busy"), "connect", "refuses: 421 busy", "provider"),
    ],
)
def test_each_failure_says_what_to_do(
    server: tuple[Server, Email], error: Exception, step: Step, what: str, remedy: str
) -> None:
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "certificate has expired"
    problem = smtp_remedies.problem(error, step, server[1], "a@example.org")
    assert what in problem.what and remedy in problem.remedy
    assert problem.remedy.endswith("`altpeter-matrix mail test a@example.org`")
    assert problem.where.startswith("127.0.0.1:")
