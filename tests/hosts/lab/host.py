"""A Debian host of the lab, used over SSH as any other host."""

from __future__ import annotations

import shlex
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import layers
from .commands import CommandError, Result, run
from .connections import Connections
from .disk import Disk, fits_in_memory
from .errors import LabError
from .identity import Identity, give_birth, settle
from .ledger import Ledger
from .machine import Machine
from .network import Network


@dataclass
class Access:
    """What all hosts of one lab run share."""

    network: Network
    ledger: Ledger
    state: Path
    ssh_key: Path
    trusted: str
    sockets: Path

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"

    @property
    def public_key(self) -> str:
        return self.ssh_key.with_suffix(".pub").read_text()


class Host:
    """A running (or stopped) host."""

    def __init__(
        self,
        name: str,
        debian: str,
        identity: Identity,
        lowers: Sequence[Path],
        access: Access,
        *,
        disk: bool = False,
    ) -> None:
        self.name = name
        self.debian = debian
        self.identity = identity
        self.ssh_user, self.ssh_port = "root", 22
        self.dns_names: tuple[str, ...] = ()
        # Roots of ACME servers that earlier runs had: a clone's certificate may come from one.
        self.met_roots = ""
        self.lowers = list(lowers)
        self._access = access
        self.directory = access.state / "hosts" / name
        self.root = self.directory / "root"
        place = self.directory / "disk"
        self._disk = Disk(place, access.ledger) if disk or fits_in_memory() else None
        self.upper = self._disk.upper if self._disk else self.directory / "upper"
        self._work = self._disk.work if self._disk else self.directory / "work"
        machine = f"{access.network.token}h{identity.number}"
        self._connections = Connections(access.sockets, machine)
        self._machine = Machine(
            machine,
            self.root,
            access.network.bridge,
            access.state / "logs" / f"{name}.console.log",
            access.ledger,
        )
        self._mounted = False

    @property
    def ipv4(self) -> str:
        return self.identity.subnet.ipv4(self.identity.number)

    @property
    def ipv6(self) -> str:
        return self.identity.subnet.ipv6(self.identity.number)

    @property
    def running(self) -> bool:
        return self._machine.running

    @property
    def disk(self) -> Disk:
        """Of a host that was made with one of its own."""
        if self._disk is None:
            raise LabError(f"{self.name} has no disk of its own: make it with disk=True")
        return self._disk

    @property
    def ssh_key(self) -> Path:
        return self._access.ssh_key

    @property
    def ssh_known_hosts(self) -> Path:
        return self._access.known_hosts

    @property
    def ssh_argv(self) -> list[str]:
        """The complete ssh command for this host, as root."""
        return self.ssh_argv_as(self.ssh_user)

    def ssh_argv_as(self, user: str) -> list[str]:
        """Return the complete ssh command for another user (``debian`` may use sudo)."""
        options = {
            "UserKnownHostsFile": self.ssh_known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "LogLevel": "ERROR",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        place = ["-i", str(self.ssh_key), "-p", str(self.ssh_port)]
        return ["ssh", "-F", "none", *place, *words, f"{user}@{self.ipv4}"]

    def run(
        self,
        *argv: str | Path,
        check: bool = True,
        input: str | None = None,
        timeout: float = 300,
        user: str = "root",
        new_connection: bool = False,
    ) -> Result:
        """Run a program on the host; failure raises with its output."""
        command = shlex.join(map(str, argv))
        ssh = self.ssh_argv_as(user)
        if not new_connection:
            ssh = self._connections.through(f"{user}-{self.ssh_port}", ssh)
        return run(
            *(*ssh, command),
            check=check,
            input=input,
            timeout=timeout,
            shown=f"{user}@{self.name}: {command}",
        )

    def sh(
        self, script: str, *, check: bool = True, input: str | None = None, timeout: float = 300
    ) -> Result:
        """Run a shell script on the host; it stops at the first failure."""
        return self.run("sh", "-ec", script, check=check, input=input, timeout=timeout)

    def write(self, path: str | Path, text: str, mode: int = 0o644) -> None:
        """Write a file on the host, with its directory."""
        there = shlex.quote(str(path))
        self.sh(
            f'umask 077; mkdir -p -m 0755 "$(dirname {there})"; cat > {there}; '
            f"chmod {mode:o} {there}",
            input=text,
        )

    def read(self, path: str | Path) -> str:
        """Return the text of a file on the host."""
        return self.run("cat", path).stdout

    def start(self, *, newborn: bool = False, prepare: Callable[[], None] | None = None) -> None:
        """Power on and wait until the host has booted."""
        self._mount()
        if newborn:
            give_birth(self.root, self.identity)
        if prepare is not None:
            prepare()
        settle(self.root, self.identity, self._access.public_key, self._access.trusted)
        self._know_key()
        self._machine.power_on()
        self.wait_until_booted(healthy=newborn)

    def stop(self) -> None:
        """Shut down in good order."""
        self._connections.hang_up()
        self._machine.power_off()

    def kill(self) -> None:
        """Cut the power."""
        self._connections.hang_up()
        self._machine.cut_power()

    def reboot(self) -> None:
        """Restart the host from inside, and wait until it is back."""
        before = self.boot_id()
        # The connection may end before ssh has the exit status.
        self.run("systemctl", "--no-block", "reboot", check=False)
        self._connections.hang_up()
        end = time.monotonic() + 120
        while self._answers_as(before):
            if time.monotonic() > end:
                raise LabError(f"{self.name} did not go down for its reboot within 120 s")
            time.sleep(0.2)
        self.wait_until_booted()

    def boot_id(self) -> str:
        return self.run(
            "cat", "/proc/sys/kernel/random/boot_id", timeout=20, new_connection=True
        ).stdout.strip()

    def wait_until_booted(self, *, healthy: bool = False, timeout: float = 120) -> str:
        """Return systemd's verdict once booting has ended; ``healthy`` insists on "running"."""
        end = time.monotonic() + timeout
        while not self._port_open():
            self._expect_alive(end)
            time.sleep(0.05)
        while True:
            done = self.run(
                "systemctl", "is-system-running", "--wait", check=False, new_connection=True
            )
            state = done.stdout.strip()
            if state in ("running", "degraded"):
                break
            self._expect_alive(end, state or done.stderr)
            time.sleep(0.1)
        if healthy and state != "running":
            failed = self.run("systemctl", "--failed", "--no-legend", check=False).stdout
            raise LabError(f"{self.name} is {state} after its first boot:\n{failed}")
        return state

    def freeze(self, target: Path) -> None:
        """Power off and move what the host wrote to ``target``, now its topmost lower layer."""
        self.stop()
        self._unmount(keep=target)
        self.lowers.insert(0, target)

    def discard(self) -> None:
        """Cut the power and forget everything the host wrote."""
        self.kill()
        self._unmount()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _mount(self) -> None:
        if self._mounted:
            return
        if self._disk is not None:
            self._disk.mount()
        with self._access.ledger.making("mount", str(self.root)):
            for directory in (self.root, self.upper, self._work):
                directory.mkdir(parents=True, exist_ok=True)
            layers.mount(self.lowers, self.upper, self._work, self.root)
        self._mounted = True

    def _unmount(self, keep: Path | None = None) -> None:
        """keep: where what the host wrote goes."""
        if self._mounted:
            run("umount", self.root)
            self._mounted = False
            shutil.rmtree(self._work, ignore_errors=True)
            if keep:
                run("mv", self.upper, keep)  # with all that overlayfs notes in it
            if self._disk is not None:
                self._disk.unmount()

    def _know_key(self) -> None:
        known = self._access.known_hosts
        lines = known.read_text().splitlines() if known.exists() else []
        kept = [line for line in lines if line.split()[0] != self.ipv4]
        keys = sorted((self.root / "etc/ssh").glob("ssh_host_*_key.pub"))
        kept += [f"{self.ipv4} {' '.join(path.read_text().split()[:2])}" for path in keys]
        known.write_text("\n".join(kept) + "\n")

    def _port_open(self) -> bool:
        address = (self.ipv4, self.ssh_port)
        with suppress(OSError), socket.create_connection(address, timeout=1) as link:
            # On a busy machine a new sshd needs its time; asking anew would only add more.
            link.settimeout(20)
            return link.recv(4) == b"SSH-"
        return False

    def _answers_as(self, boot_id: str) -> bool:
        if not self._port_open():
            return False
        try:
            return self.boot_id() == boot_id
        except CommandError:
            return False

    def _expect_alive(self, end: float, state: str = "") -> None:
        if not self._machine.running:
            raise LabError(f"{self.name} ended while booting\n{self._machine.describe()}")
        if time.monotonic() > end:
            seen = self._machine.describe()
            jobs = (
                self.run("systemctl", "list-jobs", check=False, timeout=30, new_connection=True)
                if state
                else ""
            )
            raise LabError(f"{self.name} did not boot in time ({state}) {jobs}\n{seen}")
