"""The server is watched: a fault is told once, its end once, and a restart not at all."""

from collections.abc import Callable, Iterator

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.lab import Lab
from tests.hosts.probes import wait_until_serving
from tests.hosts.watched import SERVICE, Watched, watched

# A fault that hurts nobody, and the command that ends it.
UNIT = "altpeter-matrix-upgrade-check.timer"


@pytest.fixture(scope="module")
def patient(debian13: Deployment, clone: Callable[..., Deployment], lab: Lab) -> Iterator[Watched]:
    """A copy of a server that was looked at twice, once with all checks."""
    server = clone(debian13, "watched", dns=True)
    wait_until_serving(server)
    with watched(server, lab) as found:
        found.look()
        found.look()
        found.forget()
        yield found


@pytest.fixture(autouse=True)
def forgotten(patient: Watched) -> None:
    patient.forget()


def test_a_healthy_server_tells_nothing_and_can_ask_everything_with_few_rights(
    patient: Watched,
) -> None:
    record = patient.record()
    assert (record["known"], record["daily"] > 0) == ([], True)
    assert patient.told() == (0, 0)
    patient.host.run("systemctl", "is-active", "altpeter-matrix-watch.timer")


def test_each_way_is_tested(patient: Watched) -> None:
    said = patient.host.run("altpeter-matrix", "notify", "test").stdout
    assert said.count("taken") == 2
    assert patient.told() == (1, 1)
    (post,) = patient.posts()
    assert "nothing is wrong" in post["Title"] and post["path"] == "/ours"


def test_a_fault_and_its_end_are_told_once_by_each_way(patient: Watched) -> None:
    patient.host.run("systemctl", "stop", UNIT)
    patient.look()
    assert patient.told() == (0, 0)
    patient.look()
    assert patient.told() == (1, 1)
    (mail,), (post,) = patient.mails(), patient.posts()
    for text in (mail, post["body"]):
        assert UNIT in text and f"systemctl start {UNIT}" in text
    assert UNIT in patient.host.read("/var/lib/altpeter-matrix/login-message")
    patient.look()
    assert patient.told() == (1, 1)
    patient.host.run("systemctl", "start", UNIT)
    patient.look()
    patient.look()
    patient.look()
    assert patient.told() == (2, 2)
    assert "ended: " in patient.mails()[1] and "ended: " in patient.posts()[1]["Title"]
    assert not (patient.host.root / "var/lib/altpeter-matrix/login-message").exists()


def test_restarts_under_it_tell_nothing(patient: Watched) -> None:
    patient.host.run("systemctl", "restart", "--no-block", "matrix-synapse", "nginx")
    patient.look()
    wait_until_serving(patient.server)
    patient.look()
    patient.look()
    assert patient.told() == (0, 0)
    assert patient.record()["known"] == []


def test_a_mail_server_that_is_away_is_told_and_the_mail_comes_later(patient: Watched) -> None:
    services = patient.lab.services.host
    services.run("systemctl", "stop", "lab-mail")
    try:
        patient.host.run("systemctl", "stop", UNIT)
        patient.look()
        patient.look()
        assert patient.told() == (0, 1)
        assert "notify-mail-failed" in patient.finds()
        patient.look()
        patient.look()
        assert patient.told() == (0, 2)
        assert "mail to " in patient.posts()[1]["Title"]
    finally:
        services.run("systemctl", "start", "lab-mail")
        patient.host.run("systemctl", "start", UNIT)
    services.sh("until ss -Hltn sport = 587 | grep -q .; do sleep 0.1; done")
    patient.look()
    assert len(patient.mails()) == 1 and UNIT in patient.mails()[0]
    assert "notify-mail-failed" not in patient.finds()


def test_secrets_are_in_no_journal_and_no_record(patient: Watched) -> None:
    journal = patient.host.sh(f"journalctl -b -t altpeter-matrix -u {SERVICE} -o cat").stdout
    shown = journal + patient.host.read("/var/lib/altpeter-matrix/notify.json")
    assert "does not work" in journal
    for secret in (patient.token, patient.lab.services.smtp_password):
        assert secret not in shown
