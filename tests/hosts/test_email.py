"""Mail that arrives: password resets and notifications, through STARTTLS and implicit TLS."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.clients.accounts import Account
from tests.clients.encrypted_chat import Chat
from tests.clients.homeserver import Answer
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Lab
from tests.hosts.people import (
    administrator,
    call_admin_api,
    change_settings,
    homeserver_of,
    new_account,
)
from tests.hosts.probes import wait_until_serving

GENERATED = "/etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"
PASSWORD = "/etc/altpeter-matrix/secrets/smtp_password"
ADDITION = "/etc/altpeter-matrix/synapse.d/90-notify-soon.yaml"
REQUEST = "/_matrix/client/v3/account/password/email/requestToken"
PATIENCE = 60


def bind_address(deployment: Deployment, account: Account) -> str:
    """Give the user a mail address of their own."""
    address = f"{account.localpart}@people.test"
    call_admin_api(
        deployment,
        administrator(deployment).login(),
        "PUT",
        f"/_synapse/admin/v2/users/{account.user_id}",
        {"threepids": [{"medium": "email", "address": address}]},
    )
    return address


def wait_for_mail(lab: Lab, address: str) -> EmailMessage:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for mail in lab.services.mails():
            if address in str(mail["To"]):
                return mail
        time.sleep(0.3)
    others = [f"{mail['To']}: {mail['Subject']}" for mail in lab.services.mails()]
    raise AssertionError(f"no mail for {address} in {PATIENCE} s; there are {others}")


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None, mail
    return str(body.get_content())


def ask_for_reset(deployment: Deployment, address: str, client_secret: str) -> Answer:
    return homeserver_of(deployment).request(
        "POST",
        REQUEST,
        body={"client_secret": client_secret, "email": address, "send_attempt": 1},
    )


def test_a_forgotten_password_is_reset_by_mail(lab: Lab, debian12: Deployment) -> None:
    account = new_account(debian12, "forgetful")
    address = bind_address(debian12, account)
    secret, new_password = secrets.token_hex(16), secrets.token_urlsafe(18)
    session = ask_for_reset(debian12, address, secret).expect(200).json["sid"]

    mail = wait_for_mail(lab, address)
    assert mail["X-Lab-Port"] == str(lab.services.smtp_starttls)
    assert mail["X-Lab-Login"] == lab.services.smtp_user
    assert "noreply@alpha.test" in str(mail["From"])
    link = re.search(r"https://\S+/_synapse/client/password_reset/\S+", text_of(mail))
    assert link is not None, text_of(mail)
    url = urlsplit(link.group())
    assert url.hostname == debian12.public_name

    homeserver = homeserver_of(debian12)
    target = f"{url.path}?{url.query}"
    page = homeserver.request("GET", target).expect(200)
    assert b"<form" in page.body, page.body
    homeserver.request("POST", target).expect(200)
    proof = {"sid": session, "client_secret": secret}
    homeserver.request(
        "POST",
        "/_matrix/client/v3/account/password",
        body={
            "new_password": new_password,
            "auth": {"type": "m.login.email.identity", "threepid_creds": proof},
        },
    ).expect(200)
    assert homeserver.login(account.localpart, new_password)


@pytest.fixture(scope="module")
def rearranged(lab: Lab, debian13: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    """A copy of the server without mail, told by hand to send through implicit TLS, and to notify
    after a second."""
    server = clone(debian13, "mail")
    server.host.write(PASSWORD, f"{lab.services.smtp_password}\n", 0o600)
    email = {
        "smtp_host": lab.services.smtp_host,
        "smtp_port": lab.services.smtp_tls,
        "security": "tls",
        "username": lab.services.smtp_user,
        "from": "Beta <noreply@beta.test>",
    }
    change_settings(server, email=email)
    # Ten minutes of waiting are Synapse's default; a local addition replaces the whole block.
    generated = yaml.safe_load(server.host.read(GENERATED))["email"]
    addition = yaml.safe_dump({"email": generated | {"notif_delay_before_mail": "1s"}})
    server.host.write(ADDITION, addition, 0o640)
    server.host.run("altpeter-matrix", "apply")
    wait_until_serving(server)
    return server


def test_mail_goes_out_through_implicit_tls(lab: Lab, rearranged: Deployment) -> None:
    address = bind_address(rearranged, new_account(rearranged, "forgetful"))
    ask_for_reset(rearranged, address, secrets.token_hex(16)).expect(200)
    mail = wait_for_mail(lab, address)
    assert mail["X-Lab-Port"] == str(lab.services.smtp_tls)
    assert mail["X-Lab-Login"] == lab.services.smtp_user
    assert "/_synapse/client/password_reset/" in text_of(mail)


def test_a_missed_message_is_mailed(lab: Lab, rearranged: Deployment, tmp_path: Path) -> None:
    """The wiki page's block crashed Synapse at this very feature."""
    absent = new_account(rearranged, "absent")
    address = bind_address(rearranged, absent)
    token = absent.login()
    absent.homeserver.request(
        "POST",
        "/_matrix/client/v3/pushers/set",
        token=token,
        body={
            "kind": "email",
            "app_id": "m.email",
            "pushkey": address,
            "app_display_name": "Email Notifications",
            "device_display_name": address,
            "lang": "en",
            "data": {},
        },
    ).expect(200)

    async def conversation() -> None:
        async with Chat(new_account(rearranged, "caller"), tmp_path / "caller") as caller:
            room = await caller.create_encrypted_room()
            await caller.invite(room, absent.user_id)
            await asyncio.to_thread(join, absent, token, room)
            await caller.knows_member(room, absent.user_id)
            await caller.send(room, "Are you there?")

    asyncio.run(conversation())
    mail = wait_for_mail(lab, address)
    assert "noreply@beta.test" in str(mail["From"])


def join(account: Account, token: str, room: str) -> None:
    account.homeserver.request(
        "POST", f"/_matrix/client/v3/join/{room}", token=token, body={}
    ).expect(200)
