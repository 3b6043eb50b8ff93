"""Which ways there are, and what a test of them says."""

from pathlib import Path

import pytest

from altpeter_matrix.base import journal
from altpeter_matrix.base.errors import HostError, SettingsError
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.notify import mail, record, trial, ways
from altpeter_matrix.notify.news import Message
from altpeter_matrix.notify.record import Record, Way

from ..samples import settings

GOOD = "server_name: example.org\n"
HOOK = "webhook: {url: https://ntfy.example.org/ours}"
# Writes what it is told, and refuses who is called bad.
SENDMAIL = """#!/bin/sh
echo "to $3" >>{place}/mails
cat >>{place}/mails
case "$3" in bad@*) echo "no such user" >&2; exit 67 ;; esac
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setattr(journal, "write", lambda text, error: None)
    monkeypatch.setattr(mail, "SENDMAIL", tmp_path / "sendmail")
    (tmp_path / "etc/altpeter-matrix").mkdir(parents=True)
    return Paths(tmp_path)


def has_sendmail(paths: Paths) -> None:
    mail.SENDMAIL.write_text(SENDMAIL.format(place=paths.root))
    mail.SENDMAIL.chmod(0o755)


def names(paths: Paths, text: str | None) -> list[str]:
    found = settings(GOOD + text) if text is not None else None
    return [one.name for one in ways.senders(paths, found)]


def test_without_settings_root_is_mailed_where_there_is_a_sendmail(paths: Paths) -> None:
    assert names(paths, "") == names(paths, None) == []
    has_sendmail(paths)
    assert names(paths, "") == names(paths, None) == ["mail to root"]


def test_the_settings_name_the_ways(paths: Paths) -> None:
    has_sendmail(paths)
    assert names(paths, "notify: {mail: []}") == []
    assert names(paths, f"notify: {{mail: [a@b.org, c@d.org], {HOOK}}}") == [
        "mail to a@b.org", "mail to c@d.org", "webhook at ntfy.example.org",
    ]  # fmt: skip


def test_sendmail_gets_a_mail_that_no_robot_answers(paths: Paths) -> None:
    has_sendmail(paths)
    mail.send(paths, None, "a@b.org", Message("[x] a täst", "Hello\n", urgent=True))
    text = (paths.root / "mails").read_text()
    assert text.startswith("to a@b.org\n")
    for header in (
        "To: a@b.org",
        "Subject: ",
        "Auto-Submitted: auto-generated",
        "Importance: high",
    ):
        assert f"\n{header}" in text


def test_a_mail_that_is_refused_says_so(paths: Paths) -> None:
    has_sendmail(paths)
    with pytest.raises(HostError, match="ended with status 67: no such user"):
        mail.send(paths, None, "bad@b.org", Message("x", "y"))


def test_without_any_way_to_mail_it_says_what_to_install(paths: Paths) -> None:
    with pytest.raises(HostError, match="msmtp-mta"):
        mail.send(paths, settings(GOOD), "a@b.org", Message("x", "y"))


def test_a_test_tells_of_each_way_and_ends_the_fault_of_one_that_works(paths: Paths) -> None:
    has_sendmail(paths)
    paths.settings.write_text(GOOD + "notify: {mail: [a@b.org, bad@b.org]}\n")
    failing = {"mail to a@b.org": Way("refused"), "mail to bad@b.org": Way("refused")}
    record.write(paths, Record(ways=failing))
    results = trial.try_ways(paths)
    assert [(one.name, one.problem is None) for one in results] == [
        ("journal", True), ("mail to a@b.org", True), ("mail to bad@b.org", False),
    ]  # fmt: skip
    assert [one.failing for one in record.read(paths).ways.values()] == ["", "refused"]


def test_a_test_of_mail_needs_a_server(paths: Paths) -> None:
    paths.settings.write_text(GOOD)
    with pytest.raises(SettingsError, match="email: is not set"):
        trial.mail_by_server(paths, "a@b.org", print)
