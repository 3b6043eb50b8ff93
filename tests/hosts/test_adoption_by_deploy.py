"""A server that was set up by hand, taken over by the public deploy alone.

Nothing is changed before the inventory asks for it, agrees with the server, and all that is there
can be carried over; then one run does everything, and the next one nothing.
"""

import asyncio
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clients.encrypted_chat import Chat, join_by_invitation, say_and_hear
from tests.hosts.deployments import operations_changed, run_pyinfra, write_inventory
from tests.hosts.effective_options import CARRIED, announced, options_of, unannounced
from tests.hosts.handmade import ALIAS, Handmade, agreeing
from tests.hosts.lab import Lab
from tests.hosts.probes import difference, state_of
from tests.hosts.status import status_of
from tests.hosts.test_adoption import clone, wiki  # noqa: F401 - fixtures

pytestmark = pytest.mark.upgrades

Cloning = Callable[[str], Handmade]
SITE = "/etc/nginx/sites-available/matrix"
SHOP = "location /shop { proxy_pass http://127.0.0.1:3000; }"


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
        assert not self.server.told(done.stdout, done.stderr)
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

    before, options = state_of(host), options_of(host)
    shown = deploying.run(settings, "--dry", adopt=True)
    assert "can be adopted" in shown.stderr and "database" in shown.stderr
    assert not CARRIED & announced(shown.stderr), shown.stderr
    assert not {k for k in difference(before, state_of(host)) if k != "nginx workers"}

    asyncio.run(adopted_while_people_talk(server, deploying, settings, tmp_path))

    assert not unannounced(options, host, shown.stderr)
    again = deploying.run(settings, "-y", "--json", adopt=True)
    assert operations_changed(again) == []
    assert host.run("dpkg", "--verify", "matrix-synapse-py3").stdout == ""
    status = status_of(host)
    assert status.returncode == 0, status.stdout

    # What renewed the certificate edited the old site; now the directory of ours is used.
    old = server.certificate()
    # With an account of this run: the ACME server that a snapshot knew has forgotten its own.
    host.sh(
        "rm -r /etc/letsencrypt/accounts; sed -i '/^account/d' /etc/letsencrypt/renewal/*.conf; "
        "certbot renew --force-renewal --no-random-sleep-on-renew --agree-tos"
        " --register-unsafely-without-email 2>&1",
        timeout=300,
    )
    assert server.certificate() != old

    host.run("altpeter-matrix", "adopt", "--undo")
    server.wait_until_synapse_answers()
    assert options_of(host) == options
    assert host.run("readlink", "/etc/nginx/sites-enabled/matrix").stdout.strip() == SITE


async def adopted_while_people_talk(
    server: Handmade, deploying: Deploying, settings: Mapping[str, Any], folder: Path
) -> None:
    """The run itself, with devices that were logged in and spoke in encryption before it."""
    people = server.account("alice"), server.account("bob")
    async with (
        Chat(people[0], folder / "alice") as alice,
        Chat(people[1], folder / "bob") as bob,
    ):
        room = await join_by_invitation(alice, bob)
        await say_and_hear(alice, bob, room, "before the adoption")
        media = server.upload(alice.token, b"old media")
        shown = server.shows(alice.token, media)

        done = await asyncio.to_thread(deploying.run, settings, "-y", adopt=True)
        assert "can be adopted" in done.stderr and "adopt --undo" in done.stderr

        # The tokens, keys and devices of before, and no new certificate.
        assert server.shows(alice.token, media) == shown
        assert "before the adoption" in await bob.history(room)
        await say_and_hear(bob, alice, room, "after the adoption")
