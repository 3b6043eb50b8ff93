"""Tests by hand: does each way work, and what does the mail server say?"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from typing import Any

from ..apply.prepared import read_settings
from ..base import journal, locks
from ..base.errors import MatrixConfigError, Problem, SettingsError
from ..base.failures import problems_of
from ..base.locks import locked
from ..base.paths import Paths
from ..settings.model import Settings
from ..synapse import secrets_store
from . import outbox, record, smtp
from .news import Message
from .ways import senders

_TIMEOUT = 30.0
# A look that is just telling.
_PATIENCE = 120.0


@dataclass(frozen=True)
class Result:
    """What became of a way. done: what it means that there is no problem."""

    name: str
    done: str
    problem: Problem | None = None

    def as_json(self) -> dict[str, Any]:
        problem = asdict(self.problem) if self.problem else None
        return {"name": self.name, "ok": self.problem is None, "problem": problem}


def try_ways(paths: Paths) -> list[Result]:
    """A test by each way. SettingsError: which there are cannot be read."""
    settings = read_settings(paths)
    results = list(_tried(paths, settings))
    worked = {one.name: one.problem is None for one in results}
    with locked(paths, locks.WATCH, _PATIENCE):
        record.write(paths, outbox.worked(record.read(paths), worked))
    return results


def _tried(paths: Paths, settings: Settings) -> Iterator[Result]:
    title = f"[{settings.server_name}] a test: nothing is wrong"
    journal.write(title, error=False)
    yield Result("journal", "written, see `journalctl -t altpeter-matrix -n 1`")
    text = (
        "Somebody has run `altpeter-matrix notify test` on this server. By this way you are told"
        "\nwhen a fault comes, and when it is over.\n"
    )
    for one in senders(paths, settings):
        try:
            one.send(Message(title, text))
        except (MatrixConfigError, OSError) as error:
            yield Result(one.name, "", problems_of(error)[0])
        else:
            yield Result(one.name, "taken; look whether it arrives")


def mail_by_server(paths: Paths, address: str, say: Callable[[str], None]) -> None:
    """A mail through the server of `email:`. HostError, SettingsError: it was not taken, why, and
    what to do. say: told each line of the dialogue."""
    settings = read_settings(paths)
    if settings.email is None:
        raise SettingsError(
            Problem(
                "settings.yaml: email", "is not set, so Synapse sends no mail",
                "set it (settings.md), then `altpeter-matrix apply`",
            )
        )  # fmt: skip
    account = smtp.Account(
        settings.email, secrets_store.smtp_password(paths, settings), settings.public_name
    )
    mail = EmailMessage()
    mail["To"] = address
    mail["Subject"] = f"A test of the Matrix server {settings.server_name}"
    mail.set_content(
        f"Somebody has run `altpeter-matrix mail test` on {settings.public_name},"
        f" {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}.\n"
    )
    smtp.send(account, address, mail, _TIMEOUT, say)
