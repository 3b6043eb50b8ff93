"""A server that was set up by hand, as the wiki page told: first nothing happens to it, then
`altpeter-matrix adopt` takes it over."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts.handmade import (
    ALIAS,
    DATABASE_PASSWORD,
    HOMESERVER,
    PROMPT,
    REGISTRATION_SECRET,
    SERVER_NAME,
    Handmade,
    set_up,
)
from tests.hosts.lab import Host, Lab, Snapshot
from tests.hosts.probes import connect, difference, state_of
from tests.hosts.upgrades.cells import Upgrade
from tests.hosts.upgrades.packages import Repository, field
from tests.hosts.upgrades.stock import Stock

SYNAPSE = "matrix-synapse-py3"
WATCHING = ("altpeter-matrix-gate.service", "altpeter-matrix-upgrade-check.service")
ADDITION = "/etc/altpeter-matrix/synapse.d/adopted.yaml"
DEBIAN = os.environ.get("ADOPT_DEBIAN", "13")

Cloning = Callable[[str], Handmade]
# To build such a server by hand takes longer than all that make test does with its own ones.
pytestmark = pytest.mark.upgrades


@pytest.fixture(scope="module")
def wiki(lab: Lab) -> Snapshot:
    """The wiki page's server, frozen."""
    name = f"{lab.name}-wiki{DEBIAN}"
    saved = lab.load_snapshot(name) if os.environ.get("LAB_REUSE") else None
    if saved is not None:
        return saved
    server = set_up(lab, f"wiki{DEBIAN}", DEBIAN)
    snapshot = lab.snapshot(server.host, name)
    lab.discard(server.host)
    return snapshot


@pytest.fixture(scope="module")
def clone(lab: Lab, wiki: Snapshot) -> Iterator[Cloning]:
    """One copy of it at a time: the names lead to the newest."""
    made: list[Handmade] = []

    def new(purpose: str) -> Handmade:
        for old in made:
            lab.discard(old.host)
        made.clear()
        server = Handmade(lab.host(f"wiki-{purpose}", base=wiki), lab)
        made.append(server)
        server.wait_until_synapse_answers()
        return server

    yield new
    for old in made:
        lab.discard(old.host)


def newer_synapse(lab: Lab, host: Host) -> Path:
    """The next version, with another homeserver.yaml."""
    [package] = Stock(host, lab.state / f"stock-{host.name}").packages(Upgrade.SYNAPSE_HOMESERVER)
    return package


def test_installing_the_package_changes_nothing_that_serves(clone: Cloning, lab: Lab) -> None:
    server = clone("installed")
    host = server.host
    host.sh("apt-get -q update")
    token = server.account("alice").login()
    before = state_of(host)
    shown = server.install_package()
    assert PROMPT in shown and "altpeter-matrix adopt --dry-run" in shown
    changed = difference(before, state_of(host))
    # Dependencies bring libraries and Python modules. nginx reads its unchanged sites again.
    allowed = (
        "/etc/altpeter-matrix", "/var/lib/altpeter-matrix", "/etc/systemd/system/", "packages",
        "/etc/ld.so.cache", "/etc/python3", "nginx workers",
    )  # fmt: skip
    assert not {key for key in changed if not key.startswith(allowed)}, changed
    assert host.run("dpkg", "--audit").stdout == ""

    refused = host.run("altpeter-matrix", "apply", check=False)
    assert refused.returncode == 1 and PROMPT in refused.stderr
    status = host.run("altpeter-matrix", "status", check=False)
    assert status.returncode == 1 and PROMPT in status.stdout
    assert not {key for key in difference(before, state_of(host)) if not key.startswith(allowed)}

    host.reboot()
    server.wait_until_synapse_answers()
    for name in (SERVER_NAME, ALIAS):
        server.homeserver.request("GET", "/_matrix/client/versions", name=name).expect(200)
    whoami = server.homeserver.request("GET", "/_matrix/client/v3/account/whoami", token=token)
    assert whoami.expect(200).json["user_id"] == f"@alice:{SERVER_NAME}"
    assert "pw-of-the-role-matrix" in host.read(HOMESERVER)
    # None of our conditions or limits holds for what we do not serve yet.
    shown = host.run("systemctl", "cat", "matrix-synapse", "nginx").stdout
    assert "current/synapse" not in shown and "NoNewPrivileges" not in shown

    # What watches over upgrades has nothing to watch here, and is not in their way.
    host.run("systemctl", "start", *WATCHING)
    Repository(lab, host).publish([package := newer_synapse(lab, host)])
    host.sh("apt-get -q update 2>&1; DEBIAN_FRONTEND=noninteractive apt-get -q -y"
            " -o Dpkg::Options::=--force-confold upgrade </dev/null 2>&1", timeout=900)  # fmt: skip
    assert host.run("dpkg-query", "-W", "-f", "${Version}", SYNAPSE).stdout == field(
        package, "Version"
    )
    server.wait_until_synapse_answers()
    whoami = server.homeserver.request("GET", "/_matrix/client/v3/account/whoami", token=token)
    assert whoami.expect(200).json["user_id"] == f"@alice:{SERVER_NAME}"
    for directory in ("/etc/apt/apt.conf.d", "/etc/apt/preferences.d"):
        assert "altpeter" not in host.run("ls", directory).stdout
    assert host.run("systemctl", "is-active", "altpeter-matrix-gate.timer", check=False
                    ).stdout.strip() == "inactive"  # fmt: skip
    assert host.run("systemctl", "--failed", "--no-legend").stdout == ""

    host.sh("apt-get -q -y remove altpeter-matrix-config")
    left = host.sh("find /etc/systemd/system -name '50-altpeter*'; systemctl is-active nginx "
                   "matrix-synapse").stdout.split()  # fmt: skip
    assert left == ["active", "active"]


def test_adoption_keeps_the_server_and_undo_brings_the_old_one_back(clone: Cloning) -> None:
    server = clone("adopted")
    host, ask = server.host, server.homeserver.request
    host.sh("apt-get -q update")
    token = server.account("alice").login()
    key = ask("GET", "/_matrix/key/v2/server").expect(200).json["verify_keys"]
    served = connect(host.ipv4, SERVER_NAME, None).sock.getpeercert(binary_form=True)
    media = ask("POST", "/_matrix/media/v3/upload?filename=a", token=token, body=b"old media",
                headers={"Content-Type": "text/plain"}).expect(200).json["content_uri"]  # fmt: skip
    download = f"/_matrix/client/v1/media/download/{media.removeprefix('mxc://')}"
    server.install_package()
    before = state_of(host)

    shown = host.run("altpeter-matrix", "adopt", "--dry-run", check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "database" in shown.stdout and "authenticator" in shown.stdout
    for secret in (DATABASE_PASSWORD, REGISTRATION_SECRET):
        assert secret not in shown.stdout + shown.stderr
    assert not difference(before, state_of(host))

    done = host.run("altpeter-matrix", "adopt", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert DATABASE_PASSWORD not in done.stdout + done.stderr

    def still_the_same() -> None:
        whoami = ask("GET", "/_matrix/client/v3/account/whoami", token=token).expect(200)
        assert whoami.json["user_id"] == f"@alice:{SERVER_NAME}"
        assert ask("GET", download, token=token).expect(200).body == b"old media"
        found = ask("GET", "/_matrix/key/v2/server").expect(200).json["verify_keys"]
        assert found == key
        now = connect(host.ipv4, SERVER_NAME, None).sock.getpeercert(binary_form=True)
        assert now == served
        document = ask("GET", "/.well-known/matrix/client").expect(200).json
        assert document["m.identity_server"] == {"base_url": "https://vector.im"}

    still_the_same()
    assert host.run("dpkg", "--verify", "matrix-synapse-py3").stdout == ""
    status = host.run("altpeter-matrix", "status", check=False)
    assert status.returncode == 0, status.stdout
    assert "Nothing to do" in host.run("altpeter-matrix", "apply").stdout
    assert host.run("stat", "-c", "%a %U", ADDITION).stdout.split() == ["600", "root"]
    host.reboot()
    server.wait_until_synapse_answers()
    still_the_same()

    host.run("altpeter-matrix", "adopt", "--undo")
    server.wait_until_synapse_answers()
    still_the_same()
    after = state_of(host)
    served_by = ("/etc/matrix-synapse", "/etc/nginx", "/etc/letsencrypt", "/etc/systemd")
    assert not {
        key: value for key, value in difference(before, after).items() if key.startswith(served_by)
    }
    assert PROMPT in host.run("altpeter-matrix", "apply", check=False).stderr
