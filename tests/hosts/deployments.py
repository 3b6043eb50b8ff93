"""Deploying lab hosts with the public command, ``pyinfra inventory.py deploy.py``."""

import json
import os
import pprint
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.lab import Host, Lab

TOP = Path(__file__).resolve().parents[2]
PYINFRA = Path(sys.executable).with_name("pyinfra")
ADMINISTRATOR_PASSWORD = "/etc/altpeter-matrix/secrets/administrator_password"


@dataclass(frozen=True)
class Deployment:
    """A host on which the public pyinfra command has run."""

    host: Host
    settings: Mapping[str, Any]
    ca_file: Path

    @property
    def server_name(self) -> str:
        return str(self.settings["server_name"])

    @property
    def public_name(self) -> str:
        return str(self.settings.get("public_name", self.server_name))

    @property
    def base_url(self) -> str:
        return f"https://{self.public_name}"

    @property
    def administrator(self) -> str:
        """The administrator's user ID."""
        return f"@{self.settings['administrator']['username']}:{self.server_name}"

    @property
    def administrator_password(self) -> str:
        return self.host.read(ADMINISTRATOR_PASSWORD).strip()


def lab_settings(lab: Lab, server_name: str, **settings: Any) -> dict[str, Any]:
    """The settings of a lab host: the lab's repository and ACME server, small uploads.

    Synapse allows an address five logins and then one in five minutes; all test clients have the
    controller's address.
    """
    often = {"per_second": 100, "burst_count": 1000}
    ours: dict[str, Any] = {
        "server_name": server_name,
        "administrator": {"username": "admin"},
        "uploads": {"max_size": "5M"},
        "certificates": {"directory": lab.services.acme_directory},
        "federation": {"trusted_key_servers": []},
        "synapse_repository": {
            "uri": lab.services.synapse_repository,
            "key_fingerprint": lab.services.synapse_repository_fingerprint,
        },
        "synapse": {"rc_login": {"address": often, "account": often}},
    }
    for key, value in settings.items():
        both_objects = isinstance(value, dict) and isinstance(ours.get(key), dict)
        ours[key] = {**ours[key], **value} if both_objects else value
    return ours


def write_inventory(
    folder: Path,
    hosts: Mapping[Host, Mapping[str, Any]],
    **data: Any,
) -> Path:
    """Write an inventory for lab hosts, each with its settings; return its path.

    data: further host data for all of them, such as ``smtp_password`` or ``ssh_user``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = [
        (
            host.ipv4,
            {
                "ssh_user": host.ssh_user,
                "ssh_key": str(host.ssh_key),
                "ssh_strict_host_key_checking": "no",
                "ssh_known_hosts_file": str(folder / "known_hosts"),
                "matrix": dict(settings),
                **data,
            },
        )
        for host, settings in hosts.items()
    ]
    inventory = folder / "inventory.py"
    inventory.write_text(f"homeserver = {pprint.pformat(entries, sort_dicts=False)}\n")
    return inventory


def pyinfra_argv(inventory: Path | str, *options: str) -> list[str]:
    return [str(PYINFRA), *options, str(inventory), "deploy.py"]


def run_pyinfra(
    inventory: Path | str,
    *options: str,
    check: bool = True,
    timeout: float = 900,
    top: Path = TOP,
) -> "subprocess.CompletedProcess[str]":
    """Run the public command from the top of a checkout; its output is kept.

    Raises AssertionError with the whole output when it fails and ``check`` is set.
    """
    argv = pyinfra_argv(inventory, *options)
    result = subprocess.run(
        argv,
        cwd=top,
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and result.returncode != 0:
        raise AssertionError(
            f"{shlex.join(argv)} exited {result.returncode}\n{result.stdout}\n{result.stderr}"
        )
    return result


def deploy(lab: Lab, host: Host, settings: Mapping[str, Any], **data: Any) -> Deployment:
    """Bring a bare lab host to a running homeserver with one run of the public command."""
    inventory = write_inventory(lab.state / "inventories" / host.name, {host: settings}, **data)
    run_pyinfra(inventory, "-y")
    return Deployment(host=host, settings=settings, ca_file=lab.ca_file)


def operations_changed(result: "subprocess.CompletedProcess[str]") -> Sequence[str]:
    """What a ``--json`` run changed or, with ``--dry``, would change: names of operations."""
    report = json.loads(result.stdout)
    if report["results"] is None:
        return [
            operation["name"]
            for operation in report["plan"]
            if operation["hosts_with_change"] or operation["hosts_with_conditional_change"]
        ]
    return [
        operation["name"] for operation in report["results"]["operations"] if operation["success"]
    ]
