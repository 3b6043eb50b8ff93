"""The public pyinfra command against a lab host, as the bench runs it."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.homeserver import Homeserver
from tests.hosts.deployments import (
    TOP,
    lab_settings,
    operations_changed,
    pyinfra_argv,
    write_inventory,
)
from tests.hosts.lab import Host, Lab, LabError

from .environment import environment

SERVER_NAME = "matrix.bench.test"


@dataclass(frozen=True)
class Server:
    """A lab host and the inventory that deploys it."""

    lab: Lab
    host: Host
    settings: Mapping[str, Any]
    inventory: Path

    @classmethod
    def bare(cls, lab: Lab, debian: str, name: str) -> Server:
        """Boot a bare host to which the bench's names point."""
        host = lab.host(name, debian=debian, dns=(SERVER_NAME,))
        settings = lab_settings(lab, SERVER_NAME)
        inventory = write_inventory(lab.state / "inventories" / name, {host: settings})
        return cls(lab, host, settings, inventory)

    def as_homeserver(self) -> Homeserver:
        """What clients know of it."""
        return Homeserver(SERVER_NAME, SERVER_NAME, self.host.ipv4, self.lab.ca_file)

    def deploy(self) -> str:
        """Run ``pyinfra -y``; return what it printed."""
        result = self._pyinfra("-y")
        return f"{result.stdout}\n{result.stderr}"

    def predicts_changes(self) -> bool:
        """Whether ``pyinfra --dry`` finds anything to do."""
        return bool(operations_changed(self._pyinfra("--dry", "--json")))

    def _pyinfra(self, *options: str) -> subprocess.CompletedProcess[str]:
        argv = pyinfra_argv(self.inventory, *options)
        result = subprocess.run(
            argv,
            cwd=TOP,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        if result.returncode != 0:
            output = f"{result.stdout}\n{result.stderr}"[-6000:]
            raise LabError(f"{shlex.join(argv)} exited {result.returncode}\n{output}")
        return result

    def healthy(self) -> None:
        """Fail unless the host says that it is a working homeserver."""
        self.host.run("altpeter-matrix", "status")


def grand_total(output: str) -> tuple[int, int]:
    """How many operations a run of pyinfra had, and how many of them changed something."""
    for line in output.splitlines():
        _, found, cells = line.partition("Grand total")
        if found:
            # The columns: operations, changed, failed, unchanged; "-" is none.
            total, changed, *_ = (0 if cell == "-" else int(cell) for cell in cells.split())
            return total, changed
    raise LabError(f"pyinfra printed no grand total:\n{output[-3000:]}")


def our_package() -> Path:
    """The package that `make deb` built."""
    found = sorted(TOP.glob("dist/altpeter-matrix-config_*_all.deb"))
    if len(found) != 1:
        raise LabError(f"dist/ has {len(found)} packages of ours, not one; run `make deb`")
    return found[0]
