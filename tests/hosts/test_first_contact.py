"""The first contact with a host, and a host that has another key than before."""

import runpy
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.deployments import lab_settings, run_pyinfra, write_inventory
from tests.hosts.lab import Host, Lab
from tests.hosts.probes import difference, state_of

PORTS = """
printf 'Port 22\nPort 2222\n' >/etc/ssh/sshd_config.d/ports.conf
systemctl restart ssh
"""
# A user of cloud images, on another port than usual.
OTHER_DOOR = {"ssh_user": "debian", "ssh_port": 2222}


@dataclass(frozen=True)
class Contact:
    """A host, and a known_hosts of the administrator's in a folder that is not there yet."""

    lab: Lab
    host: Host
    known_hosts: Path

    @property
    def fingerprints(self) -> set[str]:
        """What the host's own ssh-keygen says of its keys."""
        each = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done"
        return {line.split()[1] for line in self.host.sh(each).stdout.splitlines()}

    def deploy(self, **data: Any) -> tuple[int, list[str]]:
        """How a deploy that may change nothing ends, and what it says."""
        files = {"ssh_known_hosts_file": str(self.known_hosts)}
        inventory = write_inventory(
            self.known_hosts.parent.parent,
            {self.host: lab_settings(self.lab, "contact.test")},
            **{"ssh_strict_host_key_checking": "accept-new", **files, **data},
        )
        result = run_pyinfra(inventory, "--dry", check=False)
        said = f"{result.stdout}\n{result.stderr}"
        assert "Traceback" not in said
        return result.returncode, said.splitlines()

    def knows_another_key(self, kind: str, before: str = "# mine") -> str:
        """Have known_hosts another key for the host, in a hashed line; its fingerprint."""
        self.known_hosts.parent.mkdir()
        file = self.known_hosts.with_name("other")
        keygen("-q", "-t", kind, "-N", "", "-f", file)
        key = " ".join(file.with_suffix(".pub").read_text().split()[:2])
        self.known_hosts.write_text(f"[{self.host.ipv4}]:2222 {key}\n")
        keygen("-q", "-H", "-f", self.known_hosts)
        self.known_hosts.write_text(f"{before}\n{self.known_hosts.read_text()}")
        return keygen("-lf", file).split()[1]


def keygen(*argv: str | Path) -> str:
    """What ssh-keygen says here."""
    return subprocess.run(
        ["ssh-keygen", *argv], check=True, capture_output=True, text=True
    ).stdout  # fmt: skip


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Host]:
    """A bare host, with SSH on a second port, too. Its keys are the same on all releases."""
    host = lab.host("contact", debian="13", dns=("contact.test",))
    host.sh(PORTS)
    yield host
    lab.discard(host)


@pytest.fixture
def contact(lab: Lab, host: Host, tmp_path: Path) -> Contact:
    return Contact(lab, host, tmp_path / "ssh/known_hosts")


def test_a_new_host_is_told_in_one_line_and_then_known(contact: Contact) -> None:
    code, said = contact.deploy()
    assert code == 0, said
    (line,) = [one for one in said if "first contact" in one]
    assert not [one for one in said if "No host key" in one or "Added host key" in one]
    told = line.partition(f"first contact with {contact.host.ipv4}, whose key is ")[2]
    kind, fingerprint = told.partition(": added to ")[0].split()
    assert fingerprint in contact.fingerprints
    assert f"added to {contact.known_hosts}; compare" in line
    assert f"ssh-keygen -lf /etc/ssh/ssh_host_{kind.lower()}_key.pub" in line
    assert len(contact.known_hosts.read_text().splitlines()) == 1
    code, said = contact.deploy()
    assert code == 0 and not [one for one in said if "first contact" in one]


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_host_in_a_hashed_file_is_known_on_another_port(contact: Contact, kind: str) -> None:
    """Also with a key of another kind than the one that paramiko would ask for."""
    contact.known_hosts.parent.mkdir()
    scanned = subprocess.run(
        ["ssh-keyscan", "-H", "-t", kind, "-p", "2222", contact.host.ipv4],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert scanned.startswith("|1|") and len(scanned.splitlines()) == 1
    contact.known_hosts.write_text(scanned)
    code, said = contact.deploy(**OTHER_DOOR)
    assert code == 0, said
    assert not [one for one in said if "first contact" in one]
    assert contact.known_hosts.read_text() == scanned


@pytest.mark.parametrize("policy", ["accept-new", "no", "yes"])
@pytest.mark.parametrize(
    ("kind", "before"),
    [("ed25519", "# mine"), ("rsa", "# mine"), ("ed25519", "one.test ssh-rsa AAAA=A")],
    ids=["ed25519", "rsa", "after a line that pyinfra cannot read"],
)
def test_a_changed_key_stops_before_anything(
    contact: Contact, policy: str, kind: str, before: str
) -> None:
    old = contact.knows_another_key(kind, before)
    text, state = contact.known_hosts.read_text(), state_of(contact.host)
    code, said = contact.deploy(**OTHER_DOOR, ssh_strict_host_key_checking=policy)
    assert code != 0, said
    name = f"[{contact.host.ipv4}]:2222"
    (line,) = [one for one in said if "has changed" in one]
    assert f"the key of {name} has changed" in line
    assert f"{contact.known_hosts}, line 2 has {old}" in line
    assert any(fingerprint in line for fingerprint in contact.fingerprints)
    assert f"ssh-keygen -f {contact.known_hosts} -R '{name}'" in line
    assert contact.known_hosts.read_text() == text
    assert difference(state, state_of(contact.host)) == {}


def test_the_other_hosts_go_on(contact: Contact) -> None:
    contact.knows_another_key("ed25519")
    code, _ = contact.deploy()
    assert code == 0
    inventory = contact.known_hosts.parent.parent / "inventory.py"
    [(address, data)] = runpy.run_path(str(inventory))["homeserver"]
    changed = {**data, **OTHER_DOOR, "ssh_hostname": address}
    inventory.write_text(f"homeserver = {[(address, data), ('changed', changed)]!r}\n")
    result = run_pyinfra(inventory, "--dry", "-y", check=False)
    assert result.returncode != 0
    said = (result.stdout + result.stderr).splitlines()
    assert [line for line in said if "[changed]" in line and "has changed" in line]
    assert [line for line in said if line.endswith("Ready: deploy.py")] == [
        f"    [{address}] Ready: deploy.py"
    ]


def test_the_remedy_for_a_changed_key_is_one(contact: Contact) -> None:
    contact.knows_another_key("rsa")
    _, said = contact.deploy(**OTHER_DOOR)
    (line,) = [one for one in said if "has changed" in one]
    command = line.partition("installed anew: ")[2].removesuffix(")")
    subprocess.run(command, shell=True, check=True, capture_output=True)
    code, said = contact.deploy(**OTHER_DOOR)
    assert code == 0, said
    assert [one for one in said if "first contact" in one]


def test_where_checking_is_strict_a_new_host_is_turned_away_with_the_remedy(
    contact: Contact,
) -> None:
    code, said = contact.deploy(ssh_strict_host_key_checking="yes")
    assert code != 0, said
    (line,) = [one for one in said if "first contact" in one]
    assert not contact.known_hosts.exists()
    command = line.partition("then add it: ")[2].removesuffix(")")
    assert command.startswith(f"ssh-keyscan {contact.host.ipv4} >>")
    contact.known_hosts.parent.mkdir()
    subprocess.run(command, shell=True, check=True, capture_output=True)
    code, said = contact.deploy(ssh_strict_host_key_checking="yes")
    assert code == 0, said
