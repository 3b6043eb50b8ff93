"""Runs the real deploy.py against pyinfra's @fake hosts, which only record what they are told."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyinfra.api import Config, Host, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors.fake import FakeConnector
from pyinfra.context import ctx_inventory, ctx_state
from pyinfra_cli.util import load_deploy_file

from tasks.base.packages import PACKAGE
from tasks.base.paths import (
    KEYRING,
    PACKAGE_KEYRING,
    PACKAGE_MARK,
    PACKAGE_PIN,
    PACKAGE_SOURCES,
    SETTINGS,
    SOURCES,
    TOP,
)
from tasks.decide import repositories
from tasks.inventory.target import read_target
from tasks.observe.host_state import HostState
from tasks.observe.observed import BEGIN, END

DEPLOY = TOP / "deploy.py"
ADDRESS = "192.0.2.7"
# The sample key of RFC 9580, appendix A.1.
KEY = base64.b64decode("xjMEU/NfCxYJKwYBBAHaRw8BAQdAPwmJlL3ZFu1AUxl5NOSofIBzOhKA1i+AEJkuQ+47JAY=")
FINGERPRINT = "C959BDBAFA32A2F89A153B678CFDE12197965A9A"
SETTINGS_DATA: Mapping[str, Any] = {
    "server_name": "example.org",
    "public_name": "matrix.example.org",
    "synapse_repository": {"key_fingerprint": FINGERPRINT},
}

# What is printed under each key, a line for each value.
BARE: Mapping[str, str] = {
    "release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
    "VERSION_CODENAME=bookworm",
    "systemd": "yes",
    "disk": "/ 20000000",
    "inodes": "/ 900000",
    "packages": "ca-certificates install ok installed 20230311",
    "listening": "22 sshd ssh.service",
    "addresses": ADDRESS,
    "names": f"matrix.example.org {ADDRESS}\nexample.org {ADDRESS}",
    "sshd-ports": "22",
}


def observation(values: Mapping[str, str]) -> str:
    """What tasks/observe/*.observe.sh print."""
    lines = [
        line.replace("\\", r"\\") for key, text in values.items() for line in _under(key, text)
    ]
    return "\n".join([BEGIN, *(f"{line}$" for line in lines), END])


def _under(key: str, text: str) -> list[str]:
    return [f"{key} {value}" for value in text.splitlines() if value.strip()]


def package_file(folder: Path) -> Path:
    """A file that stands for the built package."""
    file = folder / f"{PACKAGE}_0.1.0-1_all.deb"
    file.write_bytes(b"a package")
    return file


def deployed(host: Host) -> dict[str, str]:
    """The sections of a host on which everything is as `deploy.py` wants it."""
    wanted = read_target(host)
    settings = wanted.settings
    found = HostState(release={"VERSION_CODENAME": "bookworm"})
    contents = {
        SETTINGS: wanted.settings_text.encode(),
        SOURCES: repositories.synapse_entry(settings.synapse_repository, found) or b"",
        KEYRING: KEY,
    }
    keyrings = {KEYRING: KEY}
    if wanted.repository is None:
        contents[PACKAGE_MARK] = f"{_sha256(wanted.package.read_bytes())}\n".encode()
    else:
        contents[PACKAGE_SOURCES] = repositories.own_entry(wanted) or b""
        contents[PACKAGE_KEYRING] = keyrings[PACKAGE_KEYRING] = KEY
        if pin := repositories.own_pin(wanted):
            contents[PACKAGE_PIN] = pin
    if wanted.smtp_password and settings.email:
        contents[str(settings.email.password_file)] = b""
    ports = ("22", "80", "443", "8448")
    return {
        **BARE,
        "packages": "\n".join(
            f"{name} install ok installed 1"
            for name in (
                "matrix-synapse-py3", "nginx", "postgresql", "certbot", "ufw", "ca-certificates",
                "unattended-upgrades", "libjemalloc2", "systemd-timesyncd",
            )
        )
        + f"\n{PACKAGE} install ok installed {wanted.package_version or '0.1.0-1'}",
        "files": "\n".join(f"{_sha256(content)} {path}" for path, content in contents.items()),
        "keyrings": "\n".join(
            f"{path} {base64.b64encode(key).decode()}" for path, key in keyrings.items()
        ),
        "server-name": settings.server_name,
        "ufw": "enabled yes\nipv6 yes\ninput \"DROP\"",
        "ufw-rules": "\n".join(
            f"allow tcp {port} 0.0.0.0/0 any 0.0.0.0/0 in comment={b'altpeter-matrix'.hex()}"
            for port in ports
        ),
        "ufw-live": "\n".join(
            f"-A ufw-user-input -p tcp -m tcp --dport {port} -j ACCEPT" for port in ports
        ),
        "certificate": "\n".join(
            [
                *(f"name {name}" for name in settings.certificate_names),
                "valid",
                f"server {settings.certificates.directory}",
            ]
        ),
        "nginx-default": "decided",
        "units": "systemd-timesyncd.service enabled",
        "database": "locale C C UTF8\nusers\nadministrator active\npassword",
        "smtp-password": "same\nmode 600 0" if wanted.smtp_password else "",
        "tool": "settled",
    }  # fmt: skip


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Run:
    """One run of deploy.py."""

    state: State
    hosts: tuple[Host, ...]

    @property
    def changed(self) -> list[str]:
        """The operations that changed something, or would."""
        return [
            name
            for op_hash in self.state.get_op_order()
            for host in self.hosts
            if self._did_change(host, op_hash)
            for name in self.state.get_op_meta(op_hash).names
        ]

    def _did_change(self, host: Host, op_hash: str) -> bool:
        meta = self.state.ops[host][op_hash].operation_meta
        return meta.did_change() if meta.is_complete() else meta.will_change

    @property
    def commands(self) -> list[str]:
        """Everything that the hosts were told to run."""
        return [command for host in self.hosts for command in told(host)]


def told(host: Host) -> list[str]:
    """What one host was told to run."""
    connector = host.connector
    if not isinstance(connector, FakeConnector):
        raise TypeError(f"{host} is not a fake host")
    return connector.executed_commands


@contextmanager
def fake_state(hosts: Mapping[str, Mapping[str, Any]], *, yes: bool = True) -> Iterator[State]:
    """A connected pyinfra state with @fake hosts, each with its data."""
    names = {f"@fake/{name}": {"fake_delay": 0, "fake_delay_jitter": 0, **data}
             for name, data in hosts.items()}  # fmt: skip
    inventory = Inventory((list(names.items()), {}))
    state = State(inventory, Config(), check_for_changes=not yes)
    state.cwd = str(TOP)
    with ctx_state.use(state), ctx_inventory.use(inventory):
        state.current_stage = StateStage.Connect
        connect_all(state)
        yield state


def answers(host: Host, sections: Mapping[str, str], **more: Any) -> None:
    """Have a fake host answer as one with these sections would."""
    host.connector.data["fake_responses"] = {
        "SSH_CONNECTION": "0\n22",
        "/InRelease ": "yes",
        "apt-helper": base64.b64encode(KEY).decode(),
        "tell database": observation(sections),
        **more,
    }


def run(state: State, *, execute: bool = True) -> Run:
    """Prepare deploy.py for all hosts and execute it."""
    state.set_stage(StateStage.Prepare)
    load_deploy_file(state, str(DEPLOY))
    if execute:
        state.set_stage(StateStage.Execute)
        run_ops(state)
    return Run(state, tuple(state.inventory))
