"""Whether mail goes out."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from altpeter_matrix.base.commands import Result
from altpeter_matrix.notify.smtp import Account
from altpeter_matrix.settings.model import Email, load_settings
from altpeter_matrix.status.checks import mail

from .given import Given


@pytest.fixture
def port() -> Iterator[int]:
    """A mail server that offers nothing but PLAIN, and knows nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            link, _ = server.accept()
            with (
                link,
                link.makefile("rw", encoding="latin-1", newline="\r\n") as text,
                suppress(OSError),
            ):
                text.write("220 lab\n")
                text.flush()
                for line in text:
                    word = line.split()[0].lower() if line.split() else ""
                    answers = {"ehlo": "250-lab\n250 AUTH PLAIN", "auth": "535 secret, go away"}
                    text.write(f"{answers.get(word, '502 no')}\n")
                    text.flush()


def email(port: int, security: str) -> Email:
    raw = {
        "server_name": "example.org",
        "email": {"smtp_host": "localhost", "smtp_port": port, "security": security,
                  "from": "a@example.org"},
    }  # fmt: skip
    found = load_settings(raw, source="test").email
    assert found is not None
    return found


def account(email: Email, password: str = "") -> Account:
    return Account(email, password, "matrix.example.org")


def told(found: Iterator[object]) -> list[str]:
    return [f"{one.id}: {dict(one.values)['reason']}" for one in found]  # type: ignore[attr-defined]


def test_what_a_server_answers(port: int) -> None:
    assert told(mail.login(account(email(port, "none")))) == []
    known = replace(email(port, "none"), username="me")
    [refused] = told(mail.login(account(known, "hidden")))
    assert refused == "mail-login-refused: it answers 535"
    [plain] = told(mail.login(account(email(port, "starttls"))))
    assert plain == "mail-encryption-refused: it does not offer that"
    [begun] = told(mail.login(account(email(port, "tls"))))
    assert begun.startswith("mail-encryption-refused: ")


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    [silent] = told(mail.login(account(email(port, "none"))))
    assert silent == "mail-server-silent: Connection refused"


@pytest.mark.parametrize(("age", "stuck"), [(3600, False), (90000, True)])
def test_a_queue_of_postfix(monkeypatch: pytest.MonkeyPatch, age: int, stuck: bool) -> None:
    line = f'{{"queue_name": "deferred", "arrival_time": {int(time.time()) - age}}}\n'
    assert mail._old_in_postfix(line) is stuck
    monkeypatch.setattr(mail, "run", lambda *argv, **_more: Result(argv, 0, line, ""))
    monkeypatch.setattr(mail, "_POSTFIX", Path("/"))
    assert len(list(mail.queue(Given({})))) == stuck


@pytest.mark.parametrize(
    ("age", "stuck"), [("15m", False), ("23h", False), ("25h", True), (" 3d", True)]
)
def test_a_queue_of_exim(age: str, stuck: bool) -> None:
    shown = f"{age}  2.9K 1sMbhQ-000000001Aa-2Xyz <a@example.org>\n          b@example.org\n\n"
    assert mail._old_in_exim(shown) is stuck
