"""How a hand-made server is before, while and after it is adopted."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.hosts.deployments import Deployment
from tests.hosts.handmade import (
    SERVER_NAME,
    Handmade,
)
from tests.hosts.probes import difference
from tests.hosts.terminal import converse
from tests.hosts.test_adoption import Cloning, clone, wiki  # noqa: F401 - fixtures
from tests.hosts.upgrades.packages import field
from tests.hosts.upgrades.ways import CONFFILE, GO_ON

SYNAPSE = "matrix-synapse-py3"
WHO_AM_I = "/_matrix/client/v3/account/whoami"
# What serves, and what apt is told.
SERVED_BY = ("/etc/matrix-synapse", "/etc/nginx", "/etc/letsencrypt", "/etc/systemd", "/etc/apt")


def changed(before: Mapping[str, str], after: Mapping[str, str], *tops: str) -> dict[str, Any]:
    found = difference(before, after)
    return {key: value for key, value in found.items() if not tops or key.startswith(tops)}


def is_logged_in(server: Handmade, token: str) -> None:
    server.wait_until_synapse_answers()
    answer = server.homeserver.request("GET", WHO_AM_I, token=token).expect(200)
    assert answer.json["user_id"].endswith(f":{SERVER_NAME}")


def comes_back(server: Handmade, token: str) -> None:
    """By itself. The hand-made site answers 502 for some seconds after Synapse is there again:
    nginx does not ask for that long where it has met nobody."""
    server.wait_until_synapse_answers()
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if server.homeserver.request("GET", WHO_AM_I, token=token).status != 502:
            break
        time.sleep(0.5)
    is_logged_in(server, token)


def keys_known(other: Deployment) -> set[str]:
    """Every key of the adopted server that another one has ever learnt."""
    return set(
        other.host.run(
            "runuser", "-u", "postgres", "--", "psql", "-At", "synapse", "-c",
            "select distinct key_id, encode(verify_key, 'base64') from server_signature_keys"
            f" where server_name = '{SERVER_NAME}'",
        ).stdout.split()
    )  # fmt: skip


def keep_own_conffile(server: Handmade, package: Path) -> None:
    """An upgrade that asked, as they all did, and was answered with "keep"."""
    talk = converse(
        server.host,
        f"DEBIAN_FRONTEND=readline apt -o Dpkg::Progress-Fancy=0 install {SYNAPSE}",
        {GO_ON: "y", CONFFILE: "N"},
    )
    assert talk.questions.count(CONFFILE) == 1, "nothing was to be kept"
    installed = server.host.run("dpkg-query", "-W", "-f", "${Version}", SYNAPSE).stdout
    assert installed == field(package, "Version")
