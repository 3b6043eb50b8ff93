"""What a signed repository can do to a host that uses it: bring its own packages, and no other.

One clone of each server, in order. The repositories are Synapse's and ours as the hosts know them,
by name and by key, in the hands of somebody else.
"""

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.hosts.deployments import Deployment
from tests.hosts.hostile_packages import (
    TRACE,
    Keys,
    SynapseRepository,
    nobody_checks,
    package,
    update,
)
from tests.hosts.lab import Host, Lab
from tests.hosts.pages import commands
from tests.hosts.people import SETTINGS
from tests.hosts.test_repository import Publisher, built
from tests.hosts.upgrades.ways import unattended
from tests.package.releases import release

SYNAPSE, OURS = "matrix-synapse-py3", "altpeter-matrix-config"
KEYRING = "/usr/share/keyrings/matrix-org-archive-keyring.gpg"
OWN_SOURCE = "/etc/apt/sources.list.d/altpeter-matrix.sources"
OWN_PIN = "/etc/apt/preferences.d/altpeter-matrix.pref"
# What Debian has on every host, and a version that beats it.
DEBIANS, ENORMOUS = ("openssl", "bash", "nginx"), "9:99.0-1"
WITHOUT_PINS = "-o Dir::Etc::preferencesparts=/nonexistent"


@dataclass(frozen=True)
class Attacked:
    """A server, and who has its repositories."""

    host: Host
    synapse: SynapseRepository
    ours: Publisher
    scratch: Path

    def offered(self, name: str, options: str = "") -> str:
        """The version that apt would install; "(none)" when there is none."""
        shown = self.host.sh(f"apt-cache {options} policy {name}").stdout
        found = re.search(r"Candidate: (\S+)", shown)
        return found[1] if found else "(none)"

    def installed(self, name: str) -> str:
        return self.host.run("dpkg-query", "-W", "-f", "${Version}", name, check=False).stdout

    def status(self) -> str:
        return self.host.run("altpeter-matrix", "status", check=False).stdout

    def sign(self, keys: Keys, *signers: str, check: bool = True) -> None:
        self.synapse.signing = keys.signing(*signers)
        self.synapse.publish([], check=check)

    def trust(self, key: str, keys: Keys) -> None:
        """As if this had been the key from the beginning."""
        published = keys.publish(self.synapse, key)
        (self.host.root / KEYRING.lstrip("/")).write_bytes(published.read_bytes())
        self.settings_trust(key)

    def settings_trust(self, key: str) -> None:
        settings = yaml.safe_load(self.host.read(SETTINGS))
        settings["synapse_repository"] = {"uri": self.synapse.uri, "key_fingerprint": key}
        self.host.write(SETTINGS, yaml.safe_dump(settings))

    def trusted(self) -> set[str]:
        shown = self.host.run("gpg", "--show-keys", "--with-colons", KEYRING).stdout
        return set(re.findall(r"^pub:.*?^fpr:+([0-9A-F]{40}):", shown, re.MULTILINE | re.DOTALL))

    def would_install(self, command: str, options: str = "") -> set[str]:
        done = self.host.sh(f"apt-get -s -q -y {options} {command} 2>&1", check=False)
        return set(re.findall(r"^Inst (\S+)", done.stdout, re.MULTILINE))


@pytest.fixture(scope="module")
def attacked(
    lab: Lab, deployment: Deployment, clone: Callable[..., Deployment]
) -> Iterator[Attacked]:
    host = clone(deployment, "supply").host
    with tempfile.TemporaryDirectory(prefix="repo-") as made:
        scratch = Path(made)
        ours = Publisher(lab, scratch / "key", scratch, name=f"altpeter-{host.name}")
        yield Attacked(host, SynapseRepository(lab, host), ours, scratch)


@pytest.fixture(scope="module")
def offered(attacked: Attacked) -> None:
    """Both repositories have newer packages of Debian's and a new one, which others ask for."""
    hostile = [
        *(package(attacked.scratch, name, ENORMOUS) for name in DEBIANS),
        package(attacked.scratch, "matrix-extras", "1.0", Provides="mail-transport-agent",
                Replaces="openssl", Enhances="matrix-synapse-py3"),
    ]  # fmt: skip
    synapse = package(attacked.scratch, SYNAPSE, "9:9.0", Depends="matrix-extras")
    with nobody_checks(attacked.host):
        attacked.synapse.publish([*hostile, synapse])
        for one in (*hostile, release(built(), "97.0-1", attacked.scratch)):
            attacked.ours.publish(one)
        attacked.host.write(
            OWN_SOURCE, (attacked.ours.directory / "altpeter-matrix.sources").read_text()
        )
        assert update(attacked.host, OWN_SOURCE).returncode == 0


@pytest.mark.usefixtures("offered")
@pytest.mark.parametrize("command", ["upgrade", "full-upgrade", f"install {SYNAPSE} openssl"])
def test_a_newer_package_of_debians_is_not_taken_from_synapses_repository_or_ours(
    attacked: Attacked, command: str
) -> None:
    taken = attacked.would_install(command)
    assert not taken & {*DEBIANS, "matrix-extras"}, taken
    # Else this would prove nothing.
    unpinned = attacked.would_install(command, WITHOUT_PINS)
    assert "openssl" in unpinned, unpinned


@pytest.mark.usefixtures("offered")
def test_nor_is_a_new_package_that_synapses_own_asks_for(attacked: Attacked) -> None:
    assert attacked.offered(SYNAPSE) == "9:9.0"
    assert attacked.offered("matrix-extras") == "(none)"
    assert "matrix-extras" in attacked.would_install("full-upgrade", WITHOUT_PINS)
    with nobody_checks(attacked.host):
        refused = attacked.host.sh(f"apt-get -q -y install {SYNAPSE} </dev/null 2>&1", check=False)
    assert refused.returncode != 0 and "matrix-extras" in refused.stdout, refused.stdout


@pytest.mark.usefixtures("offered")
def test_unattended_upgrades_takes_nothing_but_our_package(attacked: Attacked) -> None:
    before = {name: attacked.installed(name) for name in (*DEBIANS, SYNAPSE)}
    with nobody_checks(attacked.host):
        done = unattended(attacked.host)
    assert done.ok, done.output
    assert {name: attacked.installed(name) for name in before} == before, done.output
    assert attacked.installed(OURS) == "97.0-1", done.output
    assert attacked.host.sh(f"ls {TRACE}-* 2>&1", check=False).returncode != 0


@pytest.mark.usefixtures("offered")
def test_pins_of_other_files_go_on_to_win(attacked: Attacked) -> None:
    """A version that is held back, and one that the deploy keeps."""
    host, version = attacked.host, "9:9.5"
    with nobody_checks(host):
        attacked.synapse.publish([package(attacked.scratch, SYNAPSE, version)])
    assert attacked.offered(SYNAPSE) == version
    held = (
        "from altpeter_matrix.apt import pins; from altpeter_matrix.base import errors, paths;"
        " pins.hold_back(paths.Paths(),"
        f" {SYNAPSE!r}, {version!r}, errors.Problem('a', 'b', 'c'))"
    )
    host.run("python3", "-c", held)
    assert attacked.offered(SYNAPSE) == attacked.installed(SYNAPSE)
    host.run("altpeter-matrix", "upgrade", "release", version)
    assert attacked.offered(SYNAPSE) == version
    mine = attacked.installed(OURS)
    host.write(OWN_PIN, f"Package: {OURS}\nPin: version {mine}\nPin-Priority: 1001\n")
    attacked.ours.publish(built())
    update(host, OWN_SOURCE)
    assert attacked.offered(OURS) == mine
    host.run("rm", OWN_PIN)
    assert attacked.offered(OURS) == "97.0-1"


def test_a_repository_that_calls_itself_debian_gains_nothing(attacked: Attacked) -> None:
    """unattended-upgrades takes Debian's security updates by what their repository calls itself."""
    forged = package(attacked.scratch, "openssl", "9:100.0-1")
    attacked.synapse.names = {"Origin": "Debian", "Label": "Debian-Security"}
    with nobody_checks(attacked.host):
        attacked.synapse.publish([forged], check=False)
        # apt itself refuses, but for a host that never met the repository.
        assert "changed its 'Origin' value" in attacked.synapse.update(check=False)
        attacked.host.sh("rm /var/lib/apt/lists/packages.lab.test_hostile*")
        attacked.synapse.update()
    assert attacked.offered("openssl", WITHOUT_PINS) == "9:100.0-1"
    assert attacked.offered("openssl") == attacked.installed("openssl")
    attacked.synapse.names = {}
    attacked.host.sh("rm /var/lib/apt/lists/packages.lab.test_hostile*")


# Keys. The host has the one of the settings; upstream goes on.


@pytest.fixture(scope="module")
def keys(attacked: Attacked, lab: Lab) -> Keys:
    return Keys(lab, attacked.host.name)


@pytest.fixture(scope="module")
def first(attacked: Attacked, keys: Keys) -> str:
    """The key that the host trusts; it ends in ten days."""
    made = keys.make("Upstream one", "10d")
    attacked.trust(made, keys)
    return made


def test_the_end_of_a_key_is_told_before(attacked: Attacked, first: str, keys: Keys) -> None:
    attacked.sign(keys, first)
    status = attacked.status()
    assert re.search(r"the key that signs updates expires in (9|10) days", status), status
    assert KEYRING in status


def test_what_the_trusted_key_has_signed_for_is_followed(
    attacked: Attacked, first: str, keys: Keys
) -> None:
    """A later end and a new subkey, which signs from now on."""
    stranger = keys.make("Somebody else", "5y")
    keys.gpg("--quick-set-expire", first, "5y")
    keys.gpg("--quick-add-key", first, "ed25519", "sign", "5y")
    keys.publish(attacked.synapse, first, stranger)
    attacked.sign(keys, first, check=False)
    assert "E: " in attacked.synapse.update(check=False)
    # The next day, as the timer starts it.
    attacked.host.run("touch", "--date=yesterday", "/var/lib/altpeter-matrix/key-renewal.json")
    attacked.host.run("systemctl", "start", "altpeter-matrix-upgrade-check.service")
    attacked.synapse.update()
    assert "key that signs" not in attacked.status()
    assert stranger not in attacked.trusted()
    assert first in attacked.trusted()


def test_a_second_signature_announces_another_key(
    attacked: Attacked, first: str, keys: Keys
) -> None:
    second = keys.make("Upstream two", "5y")
    attacked.sign(keys, first, second)
    status = attacked.status()
    assert f"updates are also signed by {second}, which is not trusted here" in status, status


def test_another_key_takes_a_person_whatever_vouches_for_it(attacked: Attacked, keys: Keys) -> None:
    ending = keys.make("Upstream three", "seconds=12")
    vouched = keys.make("Upstream four", "5y")
    attacked.trust(ending, keys)
    keys.gpg(f"--local-user={ending}", "--quick-sign-key", vouched)
    keys.publish(attacked.synapse, ending, vouched)
    attacked.sign(keys, ending)
    time.sleep(12)
    attacked.sign(keys, vouched, check=False)
    attacked.host.run("altpeter-matrix", "upgrade", "check")
    status = attacked.host.run("altpeter-matrix", "status", check=False)
    assert status.returncode == 1
    assert "the key that signs updates has expired" in status.stdout
    assert f"now publishes the key {vouched}, which the trusted key has signed" in status.stdout
    assert vouched not in attacked.trusted()

    told = commands("updates.md", "The key of Synapse's repository")
    told = told.replace("https://packages.matrix.org/debian", attacked.synapse.uri)
    attacked.host.sh(told.replace("FINGERPRINT", vouched))
    attacked.settings_trust(vouched)
    attacked.synapse.update()
    assert attacked.trusted() == {vouched}
    attacked.host.run("altpeter-matrix", "upgrade", "check")
    assert "the key" not in attacked.status() and "trusted" not in attacked.status()
