"""Real client libraries on a deployed server: encrypted conversations, and media to the byte."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.clients import javascript
from tests.clients.encrypted_chat import Chat, join_by_invitation, say_and_hear
from tests.clients.homeserver import Answer, Homeserver
from tests.hosts.deployments import TOP, Deployment
from tests.hosts.people import bytes_of, homeserver_of, new_account

UPLOAD = "/_matrix/media/v3/upload"


def test_two_users_talk_end_to_end_encrypted(deployment: Deployment, tmp_path: Path) -> None:
    async def conversation() -> None:
        alice_account = new_account(deployment, "alice")
        bob_account = new_account(deployment, "bob")
        async with (
            Chat(alice_account, tmp_path / "alice") as alice,
            Chat(bob_account, tmp_path / "bob") as bob,
        ):
            room = await join_by_invitation(alice, bob)
            await say_and_hear(alice, bob, room, "Is this private, Bob?")
            await say_and_hear(bob, alice, room, "It is, Alice.")

    asyncio.run(conversation())


def test_a_second_client_library_logs_in_syncs_and_sends(
    deployment: Deployment, tmp_path: Path
) -> None:
    program = javascript.install(TOP / "build" / "javascript-client")

    async def conversation() -> None:
        alice_account = new_account(deployment, "alice")
        jane_account = new_account(deployment, "jane")
        async with Chat(alice_account, tmp_path / "alice") as alice:
            room = await alice.create_encrypted_room()
            await alice.invite(room, jane_account.user_id)
            jane = asyncio.create_task(
                javascript.chat(
                    program,
                    jane_account,
                    room,
                    say="Hello from JavaScript",
                    expect="Hello from Python",
                    encrypted=True,
                )
            )
            await alice.sync_until(
                lambda: bool(alice.received) or jane.done(), "message of the JavaScript client"
            )
            if jane.done():
                jane.result()
            sent = await alice.send(room, "Hello from Python")
            outcome = await jane
            received = alice.received[0]
        assert outcome.user_id == jane_account.user_id
        assert (received.event_id, received.body) == (outcome.sent, "Hello from JavaScript")
        assert received.decrypted, "the JavaScript client sent in clear"
        assert outcome.heard == sent
        assert outcome.heard_encrypted

    asyncio.run(conversation())


def upload(homeserver: Homeserver, token: str, content: bytes) -> Answer:
    kind = {"Content-Type": "application/octet-stream", "Origin": "https://app.element.io"}
    return homeserver.request("POST", UPLOAD, token=token, body=content, headers=kind)


def test_media_of_exactly_the_limit_come_back_byte_for_byte(deployment: Deployment) -> None:
    homeserver = homeserver_of(deployment)
    token = new_account(deployment, "photographer").login()
    limit = bytes_of(deployment.settings["uploads"]["max_size"])
    announced = homeserver.request("GET", "/_matrix/client/v1/media/config", token=token)
    assert announced.expect(200).json["m.upload.size"] == limit

    content = os.urandom(limit)
    uri = str(upload(homeserver, token, content).expect(200).json["content_uri"])
    path = "/_matrix/client/v1/media/download/" + uri.removeprefix("mxc://")
    downloaded = homeserver.request("GET", path, token=token).expect(200)
    assert downloaded.body == content


@pytest.mark.parametrize("excess", [1, 100 * 1024, 20 * 1024**2], ids=["byte", "100K", "20M"])
def test_media_over_the_limit_are_refused_as_too_large(deployment: Deployment, excess: int) -> None:
    """By Synapse just over the limit and by nginx far over it: a client sees no difference."""
    homeserver = homeserver_of(deployment)
    token = new_account(deployment, "photographer").login()
    limit = bytes_of(deployment.settings["uploads"]["max_size"])

    refused = upload(homeserver, token, os.urandom(limit + excess)).expect(413)
    assert refused.headers["content-type"].startswith("application/json"), refused
    assert refused.json["errcode"] == "M_TOO_LARGE"
    assert refused.headers["access-control-allow-origin"] == "*", "a web client cannot read this"
