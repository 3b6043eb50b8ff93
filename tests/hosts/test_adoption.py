"""A server that was set up by hand, as the wiki page told: first nothing happens to it, then
`altpeter-matrix adopt` takes it over."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.hosts.effective_options import CARRIED, announced, options_of, unannounced
from tests.hosts.handmade import (
    ALIAS,
    HOMESERVER,
    PROMPT,
    REGISTRATION_SECRET,
    SERVER_NAME,
    Handmade,
    set_up,
)
from tests.hosts.lab import Host, Lab, Snapshot
from tests.hosts.probes import difference, state_of
from tests.hosts.status import status_of
from tests.hosts.upgrades.cells import Upgrade
from tests.hosts.upgrades.packages import Repository, field
from tests.hosts.upgrades.stock import Stock

SYNAPSE = "matrix-synapse-py3"
WATCHING = ("altpeter-matrix-gate.service", "altpeter-matrix-upgrade-check.service")
ADOPTED = "/var/lib/altpeter-matrix/adopted"
SERVED_BY = ("/etc/matrix-synapse", "/etc/nginx", "/etc/letsencrypt", "/etc/systemd")
RENEWAL = f"/etc/letsencrypt/renewal/{ALIAS}.conf"
SITE_FILE = "/etc/nginx/sites-available/matrix"
ADDITION = "/etc/altpeter-matrix/synapse.d/adopted.yaml"
# For a run on one of them.
RELEASES = os.environ.get("ADOPT_DEBIAN", "12 13").split()

Cloning = Callable[[str], Handmade]
# To build such a server by hand takes longer than all that make test does with its own ones.
pytestmark = pytest.mark.upgrades


@pytest.fixture(scope="module", params=RELEASES)
def wiki(lab: Lab, request: pytest.FixtureRequest) -> Snapshot:
    """The wiki page's server, frozen."""
    return frozen(lab, request.param)


@cache
def frozen(lab: Lab, debian: str) -> Snapshot:
    """Built once for all the modules that take the fixture from here."""
    name = f"{lab.name}-wiki{debian}"
    saved = lab.load_snapshot(name) if os.environ.get("LAB_REUSE") else None
    if saved is not None:
        return saved
    server = set_up(lab, f"wiki{debian}", debian)
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
    # Dependencies bring libraries, Python modules and gpg's sockets for users; nginx reads its
    # unchanged sites again.
    allowed = (
        "/etc/altpeter-matrix", "/var/lib/altpeter-matrix", "/etc/systemd/system/",
        "/etc/systemd/user/", "packages", "/etc/ld.so.cache", "/etc/python3", "nginx workers",
    )  # fmt: skip
    assert not {key for key in changed if not key.startswith(allowed)}, changed
    assert host.run("dpkg", "--audit").stdout == ""

    refused = host.run("altpeter-matrix", "apply", check=False)
    assert refused.returncode == 1 and PROMPT in refused.stderr
    status = status_of(host)
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
    host = server.host
    host.sh("apt-get -q update")
    token = server.account("alice").login()
    media = server.upload(token, b"old media")
    shown = server.shows(token, media)
    assert shown["media"] == b"old media"
    assert shown["client"]["m.identity_server"] == {"base_url": "https://vector.im"}
    server.install_package()
    before, options = state_of(host), options_of(host)
    site = host.read(SITE_FILE)

    rehearsed = host.run("altpeter-matrix", "adopt", "--dry-run", check=False)
    report = rehearsed.stdout
    assert rehearsed.returncode == 0, report + rehearsed.stderr
    assert "database" in report and "authenticator" in report
    assert not CARRIED & announced(report), report
    assert not difference(before, state_of(host))

    done = host.run("altpeter-matrix", "adopt", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not server.told(report, rehearsed.stderr, done.stdout, done.stderr)
    assert not unannounced(options, host, report)
    assert server.shows(token, media) == shown
    _old_files_are_kept(host, before)
    assert host.read(SITE_FILE) == site
    assert host.run("dpkg", "--verify", SYNAPSE).stdout == ""
    status = status_of(host)
    assert status.returncode == 0, status.stdout
    assert "Nothing to do" in host.run("altpeter-matrix", "apply").stdout
    assert host.run("stat", "-c", "%a %U", ADDITION).stdout.split() == ["600", "root"]
    host.reboot()
    server.wait_until_synapse_answers()
    assert server.shows(token, media) == shown

    host.run("altpeter-matrix", "adopt", "--undo")
    server.wait_until_synapse_answers()
    assert server.shows(token, media) == shown
    assert options_of(host) == options
    after = state_of(host)
    assert not {
        key: value for key, value in difference(before, after).items() if key.startswith(SERVED_BY)
    }
    assert PROMPT in host.run("altpeter-matrix", "apply", check=False).stderr


def _old_files_are_kept(host: Host, before: Mapping[str, str]) -> None:
    """Each file that was replaced or taken out, in one dated place."""
    [dated] = host.run("ls", ADOPTED).stdout.split()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\.\d{6}", dated)
    replaced = {
        path: before[path].split()[-1]
        for path in difference(before, state_of(host))
        if path.startswith(SERVED_BY) and before.get(path, "").startswith("100")
    }
    assert {HOMESERVER, RENEWAL} <= replaced.keys()
    kept = host.sh(f"sha256sum {ADOPTED}/{dated}/*").stdout
    assert not [path for path, checksum in replaced.items() if checksum not in kept]
    carried = host.read("/etc/altpeter-matrix/secrets/registration_shared_secret").strip()
    assert carried == REGISTRATION_SECRET
