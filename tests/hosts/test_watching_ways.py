"""`altpeter-matrix mail test` and `notify test`: what they say of each thing that can be wrong."""

from collections.abc import Callable

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.lab import Lab
from tests.hosts.people import change_settings
from tests.hosts.watched import ADDRESS, SMTP_PASSWORD, TOKEN_FILE, set_up_mail


@pytest.fixture(scope="module")
def server(debian13: Deployment, clone: Callable[..., Deployment], lab: Lab) -> Deployment:
    copy = clone(debian13, "ways")
    set_up_mail(copy, lab)
    return copy


def failing(server: Deployment, address: str = ADDRESS) -> str:
    """What is said of a mail that is not taken."""
    said = server.host.run("altpeter-matrix", "mail", "test", address, check=False)
    assert said.returncode == 1, said
    return said.stdout + said.stderr


def test_the_whole_dialogue_is_shown_without_the_password(server: Deployment, lab: Lab) -> None:
    said = server.host.run("altpeter-matrix", "mail", "test", ADDRESS).stdout
    parts = (
        "* mail.lab.test is ", "> STARTTLS", "* TLS has begun", "> AUTH ", "«secret»",
        f"> rcpt to:<{ADDRESS}>", "< 250 stored", "The server has taken a mail",
    )  # fmt: skip
    for part in parts:
        assert part.lower() in said.lower(), said
    assert lab.services.smtp_password not in said
    (mail,) = (one for one in lab.services.mails() if one["X-Lab-Rcpt-To"] == ADDRESS)
    assert mail["X-Lab-Login"] == lab.services.smtp_user


def test_a_refused_recipient(server: Deployment) -> None:
    said = failing(server, "refused@people.test")
    assert "refuses the recipient refused@people.test: 550 5.1.1 no such user here" in said


def test_a_wrong_password(server: Deployment, lab: Lab) -> None:
    server.host.write(SMTP_PASSWORD, "not the password\n", 0o600)
    try:
        said = failing(server)
    finally:
        server.host.write(SMTP_PASSWORD, f"{lab.services.smtp_password}\n", 0o600)
    assert f"refuses the login of {lab.services.smtp_user}: 535" in said
    assert SMTP_PASSWORD in said and "not the password" not in said


def test_a_name_a_port_and_a_certificate_that_are_wrong(server: Deployment, lab: Lab) -> None:
    email = {"smtp_host": lab.services.smtp_host, "smtp_port": lab.services.smtp_starttls}
    cases = (
        ({"smtp_host": "nowhere.lab.test"}, "there is no address of nowhere.lab.test"),
        ({"smtp_port": 2525}, "refuses the connection"),
        ({"smtp_host": lab.services.host.ipv4}, "its certificate is not right"),
        ({"security": "tls"}, "speaks no TLS there"),
    )
    try:
        for wrong, said in cases:
            change_settings(server, email={**email, "security": "starttls", **wrong})
            assert said in failing(server), wrong
    finally:
        change_settings(server, email={**email, "security": "starttls"})


def test_what_is_no_address_is_refused_before_anything_is_asked(server: Deployment) -> None:
    said = failing(server, "root")
    assert "is not an e-mail address" in said and "> " not in said


def test_a_way_that_does_not_work_is_named_and_the_others_are_tried(
    server: Deployment, lab: Lab
) -> None:
    server.host.write(TOKEN_FILE, "nobody knows it\n", 0o600)
    webhook = {"url": "https://lab.test:9/ours", "token_file": TOKEN_FILE}
    change_settings(server, notify={"mail": [ADDRESS], "webhook": webhook})
    said = server.host.run("altpeter-matrix", "notify", "test", check=False)
    assert said.returncode == 1
    assert f"mail to {ADDRESS}: taken" in said.stdout
    assert "webhook at lab.test:9: FAILED" in said.stdout
    assert "Connection refused" in said.stderr and "nobody knows it" not in said.stderr
    server.host.run("rm", TOKEN_FILE)
    refused = server.host.run("altpeter-matrix", "check", check=False)
    assert refused.returncode == 1 and "notify.webhook.token_file names it" in refused.stderr
