"""A user whom sudo asks for a password, on hosts whose language is French."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.hosts.deployments import (
    TOP,
    Deployment,
    lab_settings,
    operations_changed,
    pyinfra_argv,
    run_pyinfra,
    write_inventory,
)
from tests.hosts.fleet import TALKATIVE
from tests.hosts.lab import Host, Lab
from tests.hosts.onlookers import watched_files, watched_processes
from tests.hosts.probes import assert_healthy, difference, state_of

# No French word, as those are in the journal; the watched processes are read as ASCII.
PASSWORD = "Sesame-4711 d'été \" $HOME"
SEEN_AS = "Sesame-4711"
IN_FRENCH = """
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends locales >/dev/null
echo 'fr_FR.UTF-8 UTF-8' >/etc/locale.gen
locale-gen >/dev/null
update-locale LANG=fr_FR.UTF-8
rm /etc/sudoers.d/90-cloud-init-users
usermod -aG sudo debian
useradd --create-home --shell /bin/bash guest
chpasswd
install -d -o guest -m 0700 /home/guest/.ssh
install -o guest -m 0600 /home/debian/.ssh/authorized_keys /home/guest/.ssh/authorized_keys
"""


@dataclass(frozen=True)
class French:
    """A host that speaks French, and the administrator's file with the password."""

    host: Host
    settings: Mapping[str, Any]
    file: Path

    def inventory(self, password: str | None = PASSWORD, user: str = "debian") -> Path:
        """An inventory that logs in as that user; without a password for sudo if it is None."""
        data: dict[str, Any] = {"ssh_user": user}
        if password is not None:
            self.file.write_text(f"{password}\n")
            data["sudo_password_file"] = str(self.file)
        folder = self.file.parent / f"inventories/{self.host.name}"
        return write_inventory(folder, {self.host: self.settings}, **data)


@pytest.fixture(scope="module", params=["12", "13"])
def french(lab: Lab, request: pytest.FixtureRequest) -> Iterator[French]:
    name = f"french{request.param}"
    host = lab.host(name, debian=request.param, dns=(f"{name}.test",))
    host.sh(IN_FRENCH, input=f"debian:{PASSWORD}\nguest:{PASSWORD}\n")
    file = lab.state / f"{name}.password"
    file.touch(mode=0o600)
    yield French(host, lab_settings(lab, f"{name}.test"), file)
    lab.discard(host)


def refused(french: French, inventory: Path, *options: str) -> str:
    """What the deploy says when it fails soon, and before anything has changed."""
    before = state_of(french.host)
    began = time.monotonic()
    result = run_pyinfra(inventory, "-y", *options, check=False)
    seconds = time.monotonic() - began
    said = f"{result.stdout}\n{result.stderr}"
    assert result.returncode != 0, said
    assert difference(before, state_of(french.host)) == {}
    assert "Traceback" not in said and SEEN_AS not in said
    assert "Nothing has been changed on any host." in said
    assert seconds < 30
    errors = [line for line in said.splitlines() if "error:" in line]
    assert len(errors) == 1, said
    return errors[0]


def test_sudo_asks_in_french(french: French) -> None:
    """Proves that the tests below meet the case at all."""
    asked = french.host.run("sudo", "-n", "true", user="debian", check=False).stderr
    assert "mot de passe" in asked


def test_without_the_password_nothing_begins(french: French) -> None:
    said = refused(french, french.inventory(password=None))
    assert said.startswith(f"error: {french.host.ipv4}: gives user debian no root rights")
    assert "`sudo_password_file`" in said and "--same-sudo-password" in said


def test_with_a_wrong_password_nothing_begins(french: French) -> None:
    said = refused(french, french.inventory(password="wrong"))
    assert f"sudo_password_file ({french.host.ipv4}): gives user debian no root rights" in said
    assert "incorrecte" in said and "correct the password" in said


def test_for_a_user_without_sudo_nothing_begins(french: French) -> None:
    said = refused(french, french.inventory(user="guest"))
    assert "gives user guest no root rights" in said and "group `sudo`" in said


def test_pyinfras_own_datum_is_not_taken(french: French) -> None:
    said = refused(french, french.inventory(None), "--data", "_sudo_password=anything")
    assert "_sudo_password" in said and "`sudo_password_file`" in said


@pytest.fixture(scope="module")
def seen(lab: Lab, french: French) -> dict[str, str]:
    """All that the deploy and the host showed during the first deploy."""
    with watched_processes(french.host) as processes, watched_files(french.host) as readable:
        result = run_pyinfra(french.inventory(), "-y", *TALKATIVE)
    server = Deployment(host=french.host, settings=french.settings, ca_file=lab.ca_file)
    assert_healthy(server)
    assert "sudo -H -S" in processes()
    journal = french.host.run("journalctl", "--boot", "--no-pager").stdout
    return {
        "output": result.stdout + result.stderr,
        "processes": processes(),
        "readable": readable(),
        "journal": journal,
    }


# A whole deploy sends the password as a dry run does, only more often: one release for all.
deployed = pytest.mark.parametrize(
    "french", [pytest.param("12", marks=pytest.mark.upgrades), "13"], indirect=True
)


@deployed
def test_the_password_is_seen_nowhere(seen: dict[str, str]) -> None:
    assert [where for where, text in seen.items() if SEEN_AS in text] == []


@deployed
@pytest.mark.usefixtures("seen")
def test_the_second_run_changes_nothing(french: French) -> None:
    assert operations_changed(run_pyinfra(french.inventory(), "-y", "--json")) == []


@pytest.mark.parametrize("options", [(), ("--same-sudo-password",)], ids=["asked", "flag"])
def test_the_password_can_be_typed(french: French, options: tuple[str, ...]) -> None:
    command, *argv = pyinfra_argv(french.inventory(None), "--dry", *options)
    environment = {**os.environ, "PYINFRA_PROGRESS": "off"}
    with watched_processes(french.host) as processes:
        terminal = pexpect.spawn(
            command, argv, cwd=str(TOP), env=environment, encoding="utf-8", timeout=60
        )
        terminal.expect("sudo password: ")
        terminal.waitnoecho()
        terminal.sendline(PASSWORD)
        terminal.expect(pexpect.EOF)
        terminal.close()
    assert terminal.exitstatus == 0, terminal.before
    assert "sudo -H -S" in processes()
    assert SEEN_AS not in processes()
