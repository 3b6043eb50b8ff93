"""A server that was upgraded from Debian 12 to 13, with PostgreSQL 15 and 17 on it."""

import json
from collections.abc import Callable

from tests.hosts.database_moves import Correspondence
from tests.hosts.deployments import Deployment
from tests.hosts.fleet import RUN, Fleet
from tests.hosts.lab import Host
from tests.hosts.probes import login, settled_history, wait_until_serving
from tests.hosts.upgrades.bench import DIGESTS
from tests.hosts.upgrades.cells import State
from tests.hosts.upgrades.release import follow_trixie, full_upgrade
from tests.hosts.upgrades.states import SETUPS

REPORT = "/root/release-upgrade.json"
# What an administrator did to the host before.
EDITS = [
    SETUPS[state]
    for state in (
        State.ADDITIONS,
        State.GENERATED_EDITED,
        State.HOMESERVER_EDITED,
        State.FOREIGN_SITE,
    )
]


def released(
    fleet: Fleet, original: Deployment, clone: Callable[..., Deployment], name: str
) -> Deployment:
    """The server after the upgrade and a reboot; made once in a session.

    original: on Debian 12. name: of the host.
    """
    snapshot = f"{fleet.lab.name}-released"
    saved = fleet.lab.load_snapshot(snapshot)
    if saved is not None and (fleet.reuse or saved.run == RUN):
        host = fleet.lab.host(name, base=saved, readdress=True)
        server = Deployment(host, original.settings, original.ca_file)
    else:
        server = clone(original, name.rpartition("-")[2], dns=True)
        _upgrade(server)
        fleet.lab.snapshot(server.host, snapshot, RUN)
        server.host.start()
    wait_until_serving(server)
    return server


def _upgrade(server: Deployment) -> None:
    """What the release notes of Debian 13 tell to do, then a reboot."""
    host = server.host
    wait_until_serving(server)
    correspondence = Correspondence.begin(server, login(server))
    correspondence.write("before")
    for edit in EDITS:
        host.sh(edit.make.replace("@name", server.public_name))
    edits = digests(host)
    follow_trixie(host)
    worked, screen = full_upgrade(host)
    assert worked, screen[-3000:]
    report = {
        "screen": screen,
        "audit": host.run("dpkg", "--audit").stdout,
        "status": host.run("altpeter-matrix", "status", check=False).stdout,
        "token": correspondence.token,
        "room": correspondence.room,
        "edits": edits,
    }
    host.write(REPORT, json.dumps(report))
    host.reboot()
    # Else the power cuts to come would count against the new Synapse, which is still watched.
    settled_history(host)


def digests(host: Host) -> dict[str, str]:
    """Of what was edited, and of all that was set aside."""
    edited = [path for edit in EDITS for path in edit.precious]
    found: dict[str, str] = json.loads(host.run("python3", "-c", DIGESTS, *edited).stdout)
    return found
