"""Ansible, as somebody who cares for speed would run it: pipelining, one kept connection."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.deployments import TOP
from tests.hosts.lab import Host, LabError

from .environment import environment
from .timing import say

VENV = TOP / "build" / "bench-venv"
REQUIREMENT = "ansible-core~=2.19.0"
PLAYBOOK = Path(__file__).parent / "playbook" / "site.yaml"
CONFIGURATION = """
[defaults]
inventory = {folder}/hosts.json
interpreter_python = /usr/bin/python3
gathering = explicit
retry_files_enabled = False
local_tmp = {folder}/tmp

[ssh_connection]
pipelining = True
control_path_dir = {sockets}
ssh_args = -o ControlMaster=auto -o ControlPersist=600
"""


def install() -> None:
    """Make the bench's own virtual environment, once."""
    done = VENV / "requirement"
    if done.exists() and done.read_text() == REQUIREMENT:
        return
    say(f"installing {REQUIREMENT}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    # pip compiles what it installs; without that every run would pay for it.
    pip = [str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--compile"]
    subprocess.run([*pip, REQUIREMENT], check=True, env=environment())
    done.write_text(REQUIREMENT)


@dataclass(frozen=True)
class Ansible:
    """The playbook, ready to run against one host."""

    folder: Path

    @classmethod
    def prepare(cls, folder: Path, host: Host, variables: Mapping[str, Any]) -> Ansible:
        """Write configuration and inventory for the host."""
        install()
        # A control socket's path may have no more than about a hundred characters.
        sockets = Path("/tmp", f"bench-{host.ipv4}")
        for directory in (folder, sockets):
            directory.mkdir(parents=True, exist_ok=True)
        text = CONFIGURATION.format(folder=folder, sockets=sockets)
        (folder / "ansible.cfg").write_text(text)
        *options, _ = host.ssh_argv[1:]
        access = {
            "ansible_user": host.ssh_user,
            "ansible_ssh_common_args": " ".join(options),
        }
        hosts = {host.ipv4: {**access, **variables}}
        inventory = {"homeserver": {"hosts": hosts}}
        (folder / "hosts.json").write_text(json.dumps(inventory, indent=2))
        return cls(folder)

    def run(self, *options: str) -> dict[str, int]:
        """Run the playbook; return its recap (ok, changed, failed, …)."""
        result = subprocess.run(
            [str(VENV / "bin/ansible-playbook"), *options, str(PLAYBOOK)],
            cwd=self.folder,
            env=environment(ANSIBLE_CONFIG=str(self.folder / "ansible.cfg")),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        output = f"{result.stdout}\n{result.stderr}"
        (self.folder / "last-run.log").write_text(output)
        if result.returncode != 0:
            raise LabError(f"ansible-playbook exited {result.returncode}\n{output[-6000:]}")
        recap = result.stdout.rpartition("PLAY RECAP")[2]
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", recap)}

    def check_unchanged(self) -> None:
        """Run the playbook on a host that is as it should be."""
        recap = self.run()
        if recap["changed"] or recap["ok"] < 10:
            log = (self.folder / "last-run.log").read_text()
            raise LabError(f"the playbook found something to change: {recap}\n{log}")
