"""Holding a version back: what apt reads, what people read, and what a killed run leaves."""

import json
import threading
import time
from pathlib import Path

import pytest

from altpeter_matrix.apt import pins
from altpeter_matrix.base import notify
from altpeter_matrix.base.errors import Problem
from altpeter_matrix.base.paths import Paths

PACKAGE = "matrix-synapse-py3"
REASON = Problem("Synapse", "rejects the configuration: no good", "correct it")
OTHER = Problem("PostgreSQL", "is too old", "move to a newer one")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path)


@pytest.fixture
def mails(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []

    def mail(subject: str, text: str) -> bool:
        sent.append(f"{subject}\n{text}")
        return True

    monkeypatch.setattr(notify, "mail", mail)
    monkeypatch.setattr(notify, "journal", lambda text, error: None)
    return sent


def test_exactly_this_version_is_pinned_away(paths: Paths, mails: list[str]) -> None:
    pins.hold_back(paths, PACKAGE, "1.2+b1", REASON)
    assert paths.held_back_pin.read_text().splitlines()[1:] == [
        f"Package: {PACKAGE}",
        "Pin: version 1.2+b1",
        "Pin-Priority: -1",
    ]
    assert paths.held_back_pin.stat().st_mode & 0o777 == 0o644
    assert paths.held_back.stat().st_mode & 0o777 == 0o600


def test_reason_and_remedy_reach_the_administrator_once(paths: Paths, mails: list[str]) -> None:
    for _ in range(3):
        pins.hold_back(paths, PACKAGE, "1.2", REASON, security=True, retried=True)
        pins.complete(paths)
    (mail,) = mails
    for text in (mail, paths.login_message.read_text()):
        assert "SECURITY" in text and "no good" in text and "correct it" in text


def test_a_security_update_is_shouted_each_day(
    paths: Paths, mails: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON, security=True, retried=True)
    pins.hold_back(paths, "other", "1.2", REASON)
    now = time.time()
    for day in (1, 2):
        monkeypatch.setattr(time, "time", lambda day=day: now + day * 86400)
        for _ in range(2):
            pins.complete(paths)
    assert ["SECURITY" in mail for mail in mails] == [True, False, True, True]


def test_two_programs_do_not_tell_the_same(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check settles what the health gate is just telling."""
    sent: list[str] = []
    check = threading.Thread(target=pins.complete, args=(paths,))

    def mail(subject: str, text: str) -> bool:
        sent.append(subject)
        if len(sent) == 1:
            check.start()
            check.join(0.5)
        return True

    monkeypatch.setattr(notify, "mail", mail)
    monkeypatch.setattr(notify, "journal", lambda text, error: None)
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    check.join()
    assert len(sent) == 1


def test_another_reason_is_told_again(paths: Paths, mails: list[str]) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    since = pins.held(paths)[0].since
    pins.hold_back(paths, PACKAGE, "1.2", OTHER)
    assert len(mails) == 2
    (entry,) = pins.held(paths)
    assert (entry.reason, entry.since) == (OTHER, since)


def test_a_reason_with_other_numbers_is_not_told_again(paths: Paths, mails: list[str]) -> None:
    for free in (40, 38):
        reason = Problem("/opt", f"its disk has {free} MiB left", "free some space")
        pins.hold_back(paths, PACKAGE, "1.2", reason, retried=True)
    assert len(mails) == 1
    assert "38" in pins.held(paths)[0].reason.what


def test_a_mail_that_was_refused_is_sent_later(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, mails: list[str]
) -> None:
    monkeypatch.setattr(notify, "mail", lambda subject, text: False)
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    monkeypatch.undo()
    sent: list[str] = []
    monkeypatch.setattr(notify, "mail", lambda subject, text: not sent.append(subject))  # type: ignore[func-returns-value]
    pins.complete(paths)
    pins.complete(paths)
    assert len(sent) == 1


def test_release_leaves_no_trace(paths: Paths, mails: list[str]) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    pins.hold_back(paths, PACKAGE, "1.3", REASON)
    pins.release(paths, PACKAGE, "1.2")
    assert [one.version for one in pins.held(paths)] == ["1.3"]
    assert "1.2" not in paths.held_back_pin.read_text()
    pins.release(paths, PACKAGE)
    assert pins.held(paths) == ()
    for path in (paths.held_back_pin, paths.held_back, paths.login_message):
        assert not path.exists()


def test_a_run_killed_before_the_pin_is_completed(paths: Paths, mails: list[str]) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    paths.held_back_pin.unlink()
    pins.complete(paths)
    assert "1.2" in paths.held_back_pin.read_text()


def test_a_run_killed_while_releasing_is_completed(paths: Paths, mails: list[str]) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    paths.held_back.unlink()
    pins.complete(paths)
    assert not paths.held_back_pin.exists() and not paths.login_message.exists()


def test_fields_of_a_later_version_are_no_obstacle(paths: Paths, mails: list[str]) -> None:
    pins.hold_back(paths, PACKAGE, "1.2", REASON)
    data = json.loads(paths.held_back.read_bytes())
    data["held"][0]["mood"] = "sad"
    paths.held_back.write_text(json.dumps(data))
    assert pins.held(paths)[0].version == "1.2"
