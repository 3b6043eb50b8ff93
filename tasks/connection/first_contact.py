"""The key of a host: what is said when it is new, and that a changed one stops.

pyinfra adds a new key to known_hosts without its fingerprint, and a line there that it cannot read
hides all hosts after it, which are then new to it whatever their key. So OpenSSH's own reader has
the last word on whether a host is known.
"""

import base64
import hashlib
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramiko import BadHostKeyException, MissingHostKeyPolicy, PKey, SSHException
from paramiko.ssh_exception import IncompatiblePeer
from pyinfra import logger
from pyinfra.connectors import ssh
from pyinfra.connectors.sshuserclient import client as pyinfra_client

GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
BESIDES_RSA = ("ssh-ed25519", *(f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521)))


def install() -> None:
    """Have pyinfra connect this way, to hosts and to those it jumps over."""
    ssh.SSHClient = pyinfra_client.SSHClient = Client  # type: ignore[misc]


class Client(pyinfra_client.SSHClient):
    """pyinfra's, with these words about the host's key."""

    def set_missing_host_key_policy(self, policy: Any) -> None:
        super().set_missing_host_key_policy(FirstContact(policy))

    def connect(self, hostname: str, **options: Any) -> None:  # type: ignore[override]
        try:
            self._connect(hostname, **options)
        except BadHostKeyException as error:
            port = self._ssh_config["port"]
            name = error.hostname if port == 22 else f"[{error.hostname}]:{port}"
            file, old = self._host_keys_filename, error.expected_key.get_base64()
            lines = [one.line for one in _known(name, file) if one.key == old]
            known = Known(file, lines[0] if lines else "?", old)
            raise SSHException(changed(name, error.key, known)) from error

    def _connect(self, hostname: str, **options: Any) -> None:
        try:
            super().connect(hostname, **options)  # type: ignore[no-untyped-call]
        except BadHostKeyException as error:
            kinds = error.expected_key.get_name(), error.key.get_name()
            if kinds[0] != "ssh-rsa" or kinds[0] == kinds[1]:
                raise
            # paramiko has asked for an RSA key by the one name that no server offers any more, and
            # was given another. The host may well have the one that is known.
            self.close()
            try:
                super().connect(  # type: ignore[no-untyped-call]
                    hostname, **options, disabled_algorithms={"keys": BESIDES_RSA}
                )
            except IncompatiblePeer:
                raise error from None


class FirstContact(MissingHostKeyPolicy):
    """Says the fingerprint of a new host, and what pyinfra's own policy makes of it."""

    def __init__(self, policy: MissingHostKeyPolicy) -> None:
        self._policy = policy

    def missing_host_key(self, client: Any, hostname: str, key: PKey) -> None:
        """What paramiko calls for a host that it does not know; SSHException to turn it away."""
        file = client._host_keys_filename
        known = [*_known(hostname, file), *_known(hostname, GLOBAL_KNOWN_HOSTS)]
        same = [one for one in known if one.key == key.get_base64()]
        if any(one.revoked for one in same):
            raise SSHException(
                f"the key of {hostname} ({_shown(key)}) is revoked by {same[0].place}; ask whoever "
                "runs the host for its new one"
            )
        if same:
            return
        if others := [one for one in known if not one.revoked]:
            raise SSHException(changed(hostname, key, others[0]))
        new = f"first contact with {hostname}, whose key is {_shown(key)}"
        compare = f"compare it on the host: ssh-keygen -lf /etc/ssh/ssh_host_{_kind(key)}_key.pub"
        if isinstance(self._policy, pyinfra_client.StrictPolicy):
            raise SSHException(
                f"{new}: not in {file}, and `ssh_strict_host_key_checking` is yes; {compare}, "
                f"then add it: ssh-keyscan {_address(hostname)} >>{shlex.quote(file)}"
            )
        if isinstance(self._policy, pyinfra_client.AcceptNewPolicy):
            _make_ready(Path(file))
            pyinfra_client.append_hostkey(client, hostname, key)
            logger.warning("%s: added to %s; %s", new, file, compare)
        elif isinstance(self._policy, pyinfra_client.WarningPolicy):
            logger.warning("%s: taken unchecked, `ssh_strict_host_key_checking` is no", new)
        else:
            logger.warning("%s; %s", new, compare)
            self._policy.missing_host_key(client, hostname, key)


def changed(name: str, key: PKey, known: "Known") -> str:
    """What is wrong when a host has another key than known_hosts says, and what to do."""
    remove = shlex.join(["ssh-keygen", "-f", known.file, "-R", name])
    return (
        f"the key of {name} has changed: it is {_shown(key)}, but {known.place} has "
        f"{known.fingerprint}; somebody may be in between, so ask whoever runs the host. "
        f"If it was installed anew: {remove}"
    )


@dataclass(frozen=True)
class Known:
    """A line of a known_hosts file about a host."""

    file: str
    line: str
    key: str  # base64
    revoked: bool = False

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.line}"

    @property
    def fingerprint(self) -> str:
        """As OpenSSH prints it."""
        digest = hashlib.sha256(base64.b64decode(self.key)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _known(name: str, file: str) -> Iterator[Known]:
    """The lines about a host, hashed ones and patterns included; none when there is no file."""
    found = subprocess.run(
        ["ssh-keygen", "-F", name, "-f", file], capture_output=True, text=True, check=False
    )
    number = ""
    for line in found.stdout.splitlines():
        if line.startswith("# Host "):
            number = line.partition(" found: line ")[2].split()[0]
            continue
        marker, *fields = line.split() if line.startswith("@") else ("", *line.split())
        # What a certificate authority signs pyinfra cannot check.
        if marker != "@cert-authority":
            yield Known(file, number, fields[2], revoked=marker == "@revoked")


def _make_ready(file: Path) -> None:
    """Have a file that a line can be appended to, as ssh does."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if file.is_file() and (content := file.read_bytes()) and not content.endswith(b"\n"):
        with file.open("ab") as unfinished:
            unfinished.write(b"\n")


def _shown(key: PKey) -> str:
    return f"{key.algorithm_name} {key.fingerprint}"


def _kind(key: PKey) -> str:
    return str(key.algorithm_name).lower()


def _address(name: str) -> str:
    """A host of known_hosts as ssh-keyscan takes it."""
    host, _, port = name.removeprefix("[").partition("]:")
    return f"-p {port} {host}" if port else host
