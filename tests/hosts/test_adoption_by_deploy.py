"""A server that was set up by hand, taken over by the public deploy alone.

Nothing is changed before the inventory asks for it, agrees with the server, and all that is there
can be carried over; then one run does everything, and the next one nothing.
"""

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nio
import pytest

from tests.clients.encrypted_chat import Chat, accept, join_by_invitation, say_and_hear
from tests.hosts.deployments import operations_changed, run_pyinfra, write_inventory
from tests.hosts.handmade import (
    ALIAS,
    DATABASE_PASSWORD,
    HOMESERVER,
    REGISTRATION_SECRET,
    SERVER_NAME,
    Handmade,
)
from tests.hosts.lab import Lab
from tests.hosts.probes import connect, difference, state_of
from tests.hosts.test_adoption import clone, wiki  # noqa: F401 - fixtures

pytestmark = pytest.mark.upgrades

Cloning = Callable[[str], Handmade]
SITE = "/etc/nginx/sites-available/matrix"
SHOP = "location /shop { proxy_pass http://127.0.0.1:3000; }"


def agreeing(lab: Lab) -> dict[str, Any]:
    """Settings that say of the wiki page's server what is so."""
    return {
        "server_name": SERVER_NAME,
        "aliases": [ALIAS],
        "well_known": {"identity_server": "https://vector.im"},
        "certificates": {"directory": lab.services.acme_directory},
        "synapse_repository": {
            "uri": lab.services.synapse_repository,
            "key_fingerprint": lab.services.synapse_repository_fingerprint,
        },
    }


class Deploying:
    """Runs the public command for one server, with settings and host data of the moment."""

    def __init__(self, server: Handmade, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def run(
        self, settings: Mapping[str, Any], *options: str, check: bool = True, **data: Any
    ) -> "subprocess.CompletedProcess[str]":
        inventory = write_inventory(self.folder, {self.server.host: settings}, **data)
        done = run_pyinfra(inventory, *options, check=check)
        for secret in (DATABASE_PASSWORD, REGISTRATION_SECRET):
            assert secret not in done.stdout + done.stderr
        return done

    def refused(self, settings: Mapping[str, Any], *words: str, **data: Any) -> None:
        """It says why, with all of these words, and nothing at all has changed."""
        before = state_of(self.server.host)
        done = self.run(settings, "-y", check=False, **data)
        said = done.stdout + done.stderr
        assert done.returncode != 0, said
        assert not [word for word in words if word not in said], said
        assert "Nothing has been changed on any host" in said
        changed = difference(before, state_of(self.server.host))
        # Of a reload just before, old workers may still end.
        assert not {key for key in changed if key != "nginx workers"}, changed


def served(server: Handmade) -> bytes:
    certificate = connect(server.host.ipv4, SERVER_NAME, None).sock.getpeercert(binary_form=True)
    assert certificate
    return certificate


async def history(chat: Chat, room: str) -> list[str]:
    """The texts of a room as the server has them now, decrypted by this device."""
    answer = await chat._client.room_messages(room, limit=50)  # noqa: SLF001
    events = accept(answer, nio.RoomMessagesResponse).chunk
    return [event.body for event in events if isinstance(event, nio.RoomMessageText)]


def test_the_deploy_alone_adopts_the_server(
    clone: Cloning,  # noqa: F811
    lab: Lab,
    tmp_path: Path,
) -> None:
    server = clone("deployed")
    host, settings = server.host, agreeing(lab)
    host.sh("apt-get -q update")
    deploying = Deploying(server, tmp_path / "inventory")

    deploying.refused(settings, "set up by hand", "`adopt = True`")
    deploying.refused(
        {**settings, "aliases": [], "uploads": {"max_size": "5M"}, "report_stats": True},
        f"lacks {ALIAS}", "report_stats", adopt=True,
    )  # fmt: skip
    deploying.refused(
        {**settings, "uploads": {"max_size": "5M"}},
        "uploads.max_size: asks for", adopt=True,
    )  # fmt: skip
    # Something that our site does not do is found before the first change, too.
    host.sh(f"sed -i 's|^        location /_matrix |        {SHOP}\\n&|' {SITE}; nginx -s reload")
    deploying.refused(settings, "serves location /shop (proxy_pass) besides Synapse", adopt=True)
    host.sh(f"sed -i '/location .shop/d' {SITE}; nginx -s reload")

    before = state_of(host)
    shown = deploying.run(settings, "--dry", adopt=True)
    assert "can be adopted" in shown.stderr and "database" in shown.stderr
    assert not {k for k in difference(before, state_of(host)) if k != "nginx workers"}

    asyncio.run(_adopted_while_people_talk(server, deploying, settings, tmp_path))

    again = deploying.run(settings, "-y", "--json", adopt=True)
    assert operations_changed(again) == []
    assert host.run("dpkg", "--verify", "matrix-synapse-py3").stdout == ""
    status = host.run("altpeter-matrix", "status", check=False)
    assert status.returncode == 0, status.stdout

    # What renewed the certificate edited the old site; now the directory of ours is used.
    old = served(server)
    # With an account of this run: the ACME server that a snapshot knew has forgotten its own.
    host.sh(
        "rm -r /etc/letsencrypt/accounts; sed -i '/^account/d' /etc/letsencrypt/renewal/*.conf; "
        "certbot renew --force-renewal --no-random-sleep-on-renew --agree-tos"
        " --register-unsafely-without-email 2>&1",
        timeout=300,
    )
    assert served(server) != old

    host.run("altpeter-matrix", "adopt", "--undo")
    server.wait_until_synapse_answers()
    assert DATABASE_PASSWORD in host.read(HOMESERVER)
    assert host.run("readlink", "/etc/nginx/sites-enabled/matrix").stdout.strip() == SITE


async def _adopted_while_people_talk(
    server: Handmade, deploying: Deploying, settings: Mapping[str, Any], folder: Path
) -> None:
    """The run itself, with devices that were logged in and spoke in encryption before it."""
    ask = server.homeserver.request
    key = ask("GET", "/_matrix/key/v2/server").expect(200).json["verify_keys"]
    certificate = served(server)
    people = server.account("alice"), server.account("bob")
    async with (
        Chat(people[0], folder / "alice") as alice,
        Chat(people[1], folder / "bob") as bob,
    ):
        room = await join_by_invitation(alice, bob)
        await say_and_hear(alice, bob, room, "before the adoption")
        uploaded = ask("POST", "/_matrix/media/v3/upload?filename=a", token=alice.token,
                       body=b"old media", headers={"Content-Type": "text/plain"})  # fmt: skip
        media = uploaded.expect(200).json["content_uri"].removeprefix("mxc://")

        done = await asyncio.to_thread(deploying.run, settings, "-y", adopt=True)
        assert "can be adopted" in done.stderr and "adopt --undo" in done.stderr

        # The tokens and keys of before.
        assert "before the adoption" in await history(bob, room)
        await say_and_hear(bob, alice, room, "after the adoption")
        download = ask("GET", f"/_matrix/client/v1/media/download/{media}", token=alice.token)
        assert download.expect(200).body == b"old media"
    assert ask("GET", "/_matrix/key/v2/server").expect(200).json["verify_keys"] == key
    assert served(server) == certificate, "a certificate was issued without need"
