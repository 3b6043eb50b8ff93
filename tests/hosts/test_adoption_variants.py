"""Servers that were set up by hand and have a history: adopted all the same, or refused untouched.

Each test works on a clone of the wiki page's server, to which it does what years do.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.clients.accounts import Account
from tests.clients.encrypted_chat import Chat, join_by_invitation, say_and_hear
from tests.hosts.adoptions import (
    SERVED_BY,
    SYNAPSE,
    changed,
    comes_back,
    is_logged_in,
    keep_own_conffile,
    keys_known,
)
from tests.hosts.deployments import Deployment
from tests.hosts.effective_options import CARRIED, CONF_D, announced, options_of, unannounced
from tests.hosts.handmade import (
    HOMESERVER,
    PROMPT,
    SECRETS,
    Handmade,
)
from tests.hosts.lab import Host, Lab
from tests.hosts.people import new_account
from tests.hosts.probes import state_of
from tests.hosts.status import status_of
from tests.hosts.test_adoption import Cloning, clone, wiki  # noqa: F401 - fixtures
from tests.hosts.upgrades.cells import Upgrade
from tests.hosts.upgrades.packages import Repository, field
from tests.hosts.upgrades.stock import Stock
from tests.hosts.upgrades.ways import unattended

pytestmark = pytest.mark.upgrades
ADOPTED = "/var/lib/altpeter-matrix/adopted"
TURN_SECRET, MAIL_PASSWORD = "secret-of-turn", "password-of-mail"
OWN = {
    "turn_uris": ["turn:turn.altpeter.me?transport=udp"],
    "turn_shared_secret": TURN_SECRET,
    "email": {
        "smtp_host": "mail.altpeter.me",
        "smtp_user": "synapse",
        "smtp_pass": MAIL_PASSWORD,
        "notif_from": "Matrix <noreply@altpeter.me>",
    },
    "retention": {"enabled": True, "default_policy": {"max_lifetime": "5y"}},
    "presence": {"enabled": False},
}
ALL_SECRETS = (*SECRETS, TURN_SECRET, MAIL_PASSWORD)
# Starts an adoption and kills it with all that it started; how it ended if it was quicker.
KILL = """
import os, signal, subprocess, sys
process = subprocess.Popen(["altpeter-matrix", "adopt"], start_new_session=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
try:
    said, _ = process.communicate(timeout=float(sys.argv[1]))
    print(process.returncode, said)
except subprocess.TimeoutExpired:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
"""


@pytest.fixture
def offers(lab: Lab) -> Callable[[Host], Callable[[], Path]]:
    """For a host: what offers it a newer Synapse with another homeserver.yaml each time."""

    def of(host: Host) -> Callable[[], Path]:
        repository = Repository(lab, host)
        stock = Stock(host, lab.state / f"stock-{host.name}")

        def offer() -> Path:
            [package] = stock.packages(Upgrade.SYNAPSE_HOMESERVER)
            repository.publish([package])
            return package

        return offer

    return of


def test_an_old_server_is_adopted_however_often_that_is_killed(
    clone: Cloning,  # noqa: F811
    debian13: Deployment,
    offers: Callable[[Host], Callable[[], Path]],
    tmp_path: Path,
) -> None:
    server = clone("old")
    host, offer = server.host, offers(server.host)
    keep_own_conffile(server, offer())
    assert host.read(f"{HOMESERVER}.dpkg-dist"), "dpkg left nothing beside the file that was kept"
    half_merged = f"{host.read(HOMESERVER)}\n<<<<<<< half-merged\n"
    host.write(f"{HOMESERVER}.dpkg-new", half_merged)
    host.write(f"{CONF_D}/99-own.yaml", yaml.safe_dump(OWN))
    host.run("chmod", "640", f"{CONF_D}/99-own.yaml")
    host.run("chgrp", "matrix-synapse", f"{CONF_D}/99-own.yaml")
    host.run("systemctl", "restart", "matrix-synapse")
    server.wait_until_synapse_answers()
    people = server.account("alice"), new_account(debian13, "guest")
    server.install_package()
    options = options_of(host)

    report = host.run("altpeter-matrix", "adopt", "--dry-run").stdout
    assert not server.told(report, secrets=ALL_SECRETS), report
    assert not announced(report) & {*OWN, *CARRIED}, report

    asyncio.run(_adopted_amid_federation(server, debian13, people, tmp_path))

    assert not unannounced(options, host, report)
    after = options_of(host)
    assert {key: after[key] for key in OWN} == OWN
    assert host.run("dpkg", "--verify", SYNAPSE).stdout == ""
    assert host.sh(f"ls {HOMESERVER}.dpkg* {CONF_D}/99* 2>/dev/null || true").stdout == ""
    kept = host.sh(f"cat {ADOPTED}/*/*homeserver.yaml.dpkg-new").stdout
    assert half_merged in kept
    modes = host.sh(f"find {ADOPTED} -mindepth 1 -printf '%m %u\\n' | sort -u").stdout
    assert modes.split("\n")[:-1] == ["600 root", "700 root"]

    # From now on nothing asks, and nothing is held back.
    host.write("/etc/apt/apt.conf.d/60lab",
               'Unattended-Upgrade::Origins-Pattern { "site=packages.lab.test"; };\n')  # fmt: skip
    package = offer()
    done = unattended(host)
    installed = host.run("dpkg-query", "-W", "-f", "${Version}", SYNAPSE).stdout
    assert installed == field(package, "Version"), done.output[-3000:]
    assert done.ok and done.questions == 0, done.output[-3000:]
    assert host.run("dpkg", "--audit").stdout == ""
    assert host.run("dpkg", "--verify", SYNAPSE).stdout == ""
    is_logged_in(server, people[0].login())
    status = status_of(host)
    assert status.returncode == 0, status.stdout


async def _adopted_amid_federation(
    server: Handmade, other: Deployment, people: tuple[Account, Account], folder: Path
) -> None:
    """A room with a user of another server goes on, with the key that server knows."""
    async with (
        Chat(people[0], folder / "alice") as alice,
        Chat(people[1], folder / "guest") as guest,
    ):
        room = await join_by_invitation(alice, guest)
        await say_and_hear(alice, guest, room, "before the adoption")
        media = server.upload(alice.token, b"old media")
        shown, known = server.shows(alice.token, media), keys_known(other)
        assert known
        killed = await asyncio.to_thread(_killed_until_done, server, alice.token)
        assert killed >= 5, "it was not killed often enough to show anything"
        # The other server tries less and less often while this one is away, until it hears of it.
        await say_and_hear(alice, guest, room, "after it")
        await say_and_hear(guest, alice, room, "and back")
        assert "before the adoption" in await guest.history(room)
        assert server.shows(alice.token, media) == shown
        assert keys_known(other) == known


def _killed_until_done(server: Handmade, token: str) -> int:
    """Adopt, killed later and later, until one run ends by itself; how many were killed."""
    host = server.host
    host.write("/root/kill.py", KILL)
    before = state_of(host)
    number = 0
    while number < 40:
        after = 0.4 + 2.0 * number
        said = host.run("python3", "/root/kill.py", f"{after:.1f}", timeout=300).stdout
        if said:
            assert said.startswith("0 "), said
            assert not server.told(said, secrets=ALL_SECRETS), said
            is_logged_in(server, token)
            return number
        number += 1
        # Nothing else is done to it: it serves, or comes back by itself.
        host.run("nginx", "-t")
        comes_back(server, token)
        if number % 4 == 0:
            host.reboot()
            comes_back(server, token)
        interrupted = "was interrupted" in status_of(host).stdout
        if number % 3 == 0 and interrupted:
            host.run("altpeter-matrix", "adopt", "--undo")
            comes_back(server, token)
            assert not changed(before, state_of(host), *SERVED_BY)
    raise AssertionError("no adoption came to its end")


def test_what_cannot_be_carried_is_listed_and_nothing_is_touched(
    clone: Cloning,  # noqa: F811
    offers: Callable[[Host], Callable[[], Path]],
) -> None:
    server = clone("refused")
    host = server.host
    package = offers(host)()
    token = server.account("alice").login()
    server.install_package()
    site = "/etc/nginx/sites-available/matrix"
    unit = "/etc/systemd/system/matrix-synapse.service.d/own.conf"
    python = "/opt/venvs/matrix-synapse/bin/python"
    host.sh(
        "install -d -o matrix-synapse /home/media; mkdir /srv/own; "
        f"echo 'media_store_path: /home/media' >{CONF_D}/media.yaml; "
        f"sed -i '/^pid_file:/d' {HOMESERVER}; "
        "echo 'location /shop { proxy_pass http://127.0.0.1:3000; }' >/etc/nginx/snippets/shop; "
        f"sed -i 's|^        location /_matrix |        include snippets/shop;\\n&|' {site}; "
        "nginx -s reload"
    )
    host.write(
        unit,
        "[Service]\nExecStart=\n"
        f"ExecStart={python} -m synapse.app.homeserver --config-path={HOMESERVER}"
        f" --config-path={CONF_D}/ --config-path=/srv/own/\n",
    )
    host.sh("systemctl daemon-reload; systemctl restart matrix-synapse")
    server.wait_until_synapse_answers()

    def refused(*words: str) -> None:
        before = state_of(host)
        for arguments in (["--dry-run"], []):
            done = host.run("altpeter-matrix", "adopt", *arguments, check=False)
            assert done.returncode == 1, done.stdout
            assert not [word for word in words if word not in done.stderr], done.stderr
        assert not {k for k in changed(before, state_of(host)) if k != "nginx workers"}

    refused(
        "names /home/media", "serves location /shop", "starts Synapse with",
        "pid_file: was removed",
    )  # fmt: skip
    # A package that dpkg has unpacked and not configured; its question is still to come.
    host.sh(
        f"rm -r {unit} {CONF_D}/media.yaml; sed -i '/include snippets.shop/d' {site}; "
        f"echo 'pid_file: /run/matrix-synapse.pid' >>{HOMESERVER}; systemctl daemon-reload; "
        f"nginx -s reload; cd /root; apt-get -q download {SYNAPSE}; "
        f"dpkg --unpack {SYNAPSE}_*.deb </dev/null 2>&1"
    )
    refused("is not wholly installed (dpkg says: unpacked)", "dpkg --force-confold --configure -a")
    host.sh("dpkg --force-confold --configure -a </dev/null 2>&1; rm /root/*.deb", timeout=300)
    assert field(package, "Version") in host.run("dpkg-query", "-W", SYNAPSE).stdout
    is_logged_in(server, token)

    _failed_adoption_leaves_what_was(server, token)
    _undone_adoption_leaves_what_was(server, token)


def _failed_adoption_leaves_what_was(server: Handmade, token: str) -> None:
    """Something that shows only when Synapse starts with the new files."""
    host = server.host
    host.write(
        "/etc/systemd/system/matrix-synapse.service.d/own.conf",
        f"[Service]\nExecStartPre=/usr/bin/test ! -e {CONF_D}/50-altpeter-matrix.yaml\n",
    )
    host.run("systemctl", "daemon-reload")
    before = state_of(host)
    failed = host.run("altpeter-matrix", "adopt", check=False, timeout=600)
    assert failed.returncode == 1, failed.stdout
    is_logged_in(server, token)
    assert not changed(before, state_of(host), *SERVED_BY)
    assert host.run("nginx", "-t", "-q").returncode == 0
    undone = host.run("altpeter-matrix", "adopt", "--undo", check=False)
    assert undone.returncode == 1 and "no adoption is to be undone" in undone.stderr
    assert PROMPT in status_of(host).stdout
    host.sh("rm -r /etc/systemd/system/matrix-synapse.service.d/own.conf; systemctl daemon-reload")


def _undone_adoption_leaves_what_was(server: Handmade, token: str) -> None:
    host = server.host
    before = state_of(host)
    host.run("altpeter-matrix", "adopt", timeout=600)
    is_logged_in(server, token)
    host.run("altpeter-matrix", "adopt", "--undo", timeout=600)
    is_logged_in(server, token)
    assert not changed(before, state_of(host), *SERVED_BY)
    update = host.run("apt-get", "update")
    assert "Ignoring" not in update.stdout + update.stderr
    assert host.run("systemctl", "--failed", "--no-legend").stdout == ""
