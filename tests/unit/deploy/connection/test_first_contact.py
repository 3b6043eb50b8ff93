"""What is said of a host's key, for each state of known_hosts and each policy."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from paramiko import ECDSAKey, PKey, RSAKey, SSHException
from pyinfra.connectors import ssh
from pyinfra.connectors.sshuserclient import client as pyinfra_client

from tasks.connection import first_contact
from tasks.connection.first_contact import FirstContact

NAME = "[matrix.example.org]:2222"
KEY: PKey = ECDSAKey.generate()
OTHER: PKey = ECDSAKey.generate()
OF_ANOTHER_KIND: PKey = RSAKey.generate(2048)


def line(key: PKey, names: str = NAME) -> str:
    return f"{names} {key.get_name()} {key.get_base64()}\n"


def fingerprint(key: PKey, folder: Path) -> str:
    """As OpenSSH prints it."""
    file = folder / "key.pub"
    file.write_text(f"{key.get_name()} {key.get_base64()}\n")
    told = subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True)
    return told.stdout.split()[1]


@pytest.fixture
def known_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(first_contact, "GLOBAL_KNOWN_HOSTS", str(tmp_path / "global"))
    return tmp_path / "ssh/known_hosts"


def meet(file: Path, policy: str = "accept-new", name: str = NAME) -> None:
    """A host with KEY, which paramiko has not found in the file."""
    client = SimpleNamespace(_host_keys_filename=str(file))
    ours = FirstContact(pyinfra_client.get_missing_host_key_policy(policy))
    ours.missing_host_key(client, name, KEY)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("before", [None, "", line(OTHER, "other.example.org"),
                                    line(OTHER, "other.example.org").rstrip(),
                                    f"@cert-authority *.example.org,{line(OTHER)}"])  # fmt: skip
def test_a_new_host_is_told_once_and_added(
    known_hosts: Path, before: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    if before is not None:
        write(known_hosts, before)
    meet(known_hosts)
    (said,) = caplog.messages
    assert fingerprint(KEY, known_hosts.parent) in said
    assert f"added to {known_hosts}" in said and "ssh_host_ecdsa_key.pub" in said
    after = "".join(f"{one}\n" for one in (before or "").splitlines()) + line(KEY)
    assert known_hosts.read_text() == after
    caplog.clear()
    meet(known_hosts)
    assert caplog.messages == []
    assert known_hosts.read_text() == after


@pytest.mark.parametrize("key", [OTHER, OF_ANOTHER_KIND], ids=["same kind", "another kind"])
@pytest.mark.parametrize("policy", ["accept-new", "no", "yes", "ask"])
def test_a_changed_key_stops_where_pyinfra_has_not_read_the_line(
    known_hosts: Path, policy: str, key: PKey
) -> None:
    text = f"broken ssh-rsa AAAA=A\n# mine\n{line(key)}"
    write(known_hosts, text)
    with pytest.raises(SSHException) as stopped:
        meet(known_hosts, policy)
    said = str(stopped.value)
    assert fingerprint(KEY, known_hosts.parent) in said
    assert fingerprint(key, known_hosts.parent) in said
    assert f"{known_hosts}, line 3 has" in said
    assert f"ssh-keygen -f {known_hosts} -R '{NAME}'" in said
    assert known_hosts.read_text() == text


def test_a_changed_key_stops_where_the_line_is_hashed(known_hosts: Path) -> None:
    write(known_hosts, f"# mine\n{line(OTHER)}")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", known_hosts], check=True, capture_output=True)
    assert "example.org" not in known_hosts.read_text()
    with pytest.raises(SSHException, match=f"{known_hosts}, line 2 has"):
        meet(known_hosts)


def test_what_the_machine_as_a_whole_knows_counts(
    known_hosts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(Path(first_contact.GLOBAL_KNOWN_HOSTS), line(KEY))
    meet(known_hosts)
    assert caplog.messages == [] and not known_hosts.exists()
    write(Path(first_contact.GLOBAL_KNOWN_HOSTS), line(OTHER))
    with pytest.raises(SSHException, match="has changed"):
        meet(known_hosts)


def test_a_revoked_key_stops(known_hosts: Path) -> None:
    write(known_hosts, f"@revoked {line(KEY, '*')}")
    with pytest.raises(SSHException, match="line 1; ask whoever"):
        meet(known_hosts)


def test_a_strict_policy_turns_a_new_host_away(known_hosts: Path) -> None:
    write(known_hosts, "")
    with pytest.raises(SSHException) as stopped:
        meet(known_hosts, "yes")
    said = str(stopped.value)
    assert fingerprint(KEY, known_hosts.parent) in said
    assert f"ssh-keyscan -p 2222 matrix.example.org >>{known_hosts}" in said
    assert known_hosts.read_text() == ""


def test_no_policy_is_told_as_what_it_is(
    known_hosts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    meet(known_hosts, "no")
    (said,) = caplog.messages
    assert "taken unchecked" in said and fingerprint(KEY, known_hosts.parent.parent) in said
    assert not known_hosts.exists()


def test_asking_shows_the_fingerprint_first(
    known_hosts: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda _question: "n")
    with pytest.raises(SSHException):
        meet(known_hosts, "ask")
    assert fingerprint(KEY, known_hosts.parent.parent) in caplog.messages[0]


def test_pyinfra_takes_its_client_where_ours_is_put(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its modules may change: these are the names that its connector and its jumps use."""
    original = pyinfra_client.SSHClient
    assert ssh.SSHClient is original
    monkeypatch.setattr(ssh, "SSHClient", original)
    monkeypatch.setattr(pyinfra_client, "SSHClient", original)
    first_contact.install()
    assert issubclass(first_contact.Client, original)
    assert ssh.SSHClient is pyinfra_client.SSHClient is first_contact.Client
