"""The two homeservers of a test session, and clones of them for tests that break things.

alpha: Debian 12, deployed as root; ``alpha.test`` delegated to ``matrix.alpha.test``; sends mail.
beta:  Debian 13, deployed as a user with sudo; ``matrix.beta.test``, redirect from ``beta.test``.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.deployments import Deployment, lab_settings, run_pyinfra, write_inventory
from tests.hosts.lab import Host, Lab, Snapshot
from tests.hosts.lab.images import exclusive
from tests.hosts.lab.snapshots import STORE
from tests.hosts.onlookers import watched_files, watched_processes

# pyinfra's options for the first runs: the output must not hold a secret even so.
TALKATIVE = ("-vvv", "--debug", "--diff")

# The same for all processes of a divided run (pytest-xdist).
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex


@dataclass(frozen=True)
class Member:
    """One server of the fleet: what to deploy, and how."""

    name: str
    debian: str
    dns: tuple[str, ...]
    settings: Callable[[Lab], Mapping[str, Any]]
    data: Callable[[Lab], Mapping[str, Any]] = lambda _lab: {}


def alpha_settings(lab: Lab) -> Mapping[str, Any]:
    return lab_settings(
        lab,
        "alpha.test",
        public_name="matrix.alpha.test",
        email={
            "smtp_host": lab.services.smtp_host,
            "smtp_port": lab.services.smtp_starttls,
            "security": "starttls",
            "username": lab.services.smtp_user,
            "from": "Alpha <noreply@alpha.test>",
        },
    )


def mail_password_file(lab: Lab) -> Path:
    """The file on the controller that an administrator keeps the mail password in."""
    file = lab.state / "smtp_password"
    file.touch(mode=0o600)
    file.write_text(f"{lab.services.smtp_password}\n")
    return file


MEMBERS = {
    member.debian: member
    for member in (
        Member(
            name="alpha",
            debian="12",
            dns=("alpha.test", "matrix.alpha.test"),
            settings=alpha_settings,
            data=lambda lab: {"smtp_password_file": str(mail_password_file(lab))},
        ),
        Member(
            name="beta",
            debian="13",
            dns=("matrix.beta.test", "beta.test"),
            settings=lambda lab: lab_settings(lab, "matrix.beta.test", aliases=["beta.test"]),
            data=lambda _lab: {"ssh_user": "debian"},
        ),
    )
}


class Fleet:
    """Deploys each member once per test run; with ``reuse`` takes what an earlier run deployed."""

    def __init__(self, lab: Lab, name: str, reuse: bool = False) -> None:
        """name: of the test run, whose processes each have a lab of their own."""
        self.lab = lab
        self.name = name
        self.reuse = reuse
        self._snapshots: dict[str, Snapshot] = {}

    def begin(
        self, members: Sequence[Member], pool: ThreadPoolExecutor
    ) -> dict[str, Future[Deployment]]:
        """Deploy them at the same time. Of a divided run's processes the first one does; the others
        wait, and then boot what it has deployed."""
        turn = ExitStack()
        turn.enter_context(exclusive(f"servers-{self.name}"))
        futures = {member.debian: pool.submit(self.deploy, member) for member in members}

        def end() -> None:
            with turn:
                wait(futures.values())

        pool.submit(end)
        return futures

    def deploy(self, member: Member) -> Deployment:
        """Bare host -> one run of the public command -> a running server, snapshotted."""
        settings = member.settings(self.lab)
        name = self._shared_name(member.name)
        snapshot = self.lab.load_snapshot(name)
        if snapshot is not None and (self.reuse or snapshot.run == RUN):
            # With an address of its own: in this lab somebody else may have that one.
            host = self.lab.host(member.name, base=snapshot, readdress=True)
        else:
            host = self.lab.host(member.name, debian=member.debian, dns=member.dns)
            self._first_run(member, host, settings)
            snapshot = self.lab.snapshot(host, name, RUN)
            host.start()
        self._snapshots[member.name] = snapshot
        return Deployment(host=host, settings=settings, ca_file=self.lab.ca_file)

    def made_before(self, name: str) -> Host | None:
        """A server that an earlier session made in a way of its own, with ``reuse``."""
        snapshot = self.lab.load_snapshot(self._snapshot_name(name)) if self.reuse else None
        if snapshot is None:
            return None
        self._snapshots[name] = snapshot
        return self.lab.host(name, base=snapshot)

    def freeze(self, host: Host) -> None:
        """Power a server off that was made in a way of its own; from now on it can be cloned."""
        self._snapshots[host.name] = self.lab.snapshot(host, self._snapshot_name(host.name))

    def data(self, deployment: Deployment) -> dict[str, Any]:
        """What the inventory says beside the settings."""
        member = next(m for m in MEMBERS.values() if m.dns == deployment.host.dns_names)
        return dict(member.data(self.lab))

    def inventory(
        self, deployment: Deployment, data: Mapping[str, Any] | None = None, **settings: Any
    ) -> Path:
        """An inventory for the server or a clone of it, as its first deploy had; with other
        settings or data where given."""
        return write_inventory(
            self.lab.state / "inventories" / deployment.host.name,
            {deployment.host: {**deployment.settings, **settings}},
            **{**self.data(deployment), **(data or {})},
        )

    def record(self, deployment: Deployment, what: str) -> str:
        """What was recorded during the first run: ``output``, ``processes``, ``readable``, or the
        ``addresses`` that the host had, as another process's lab has others."""
        return self._record(deployment.host.name, what).read_text(errors="replace")

    @contextmanager
    def clone(
        self, deployment: Deployment, purpose: str, dns: bool = False, disk: bool = False
    ) -> Iterator[Deployment]:
        """A copy of a server as it was right after its deploy, for a test that harms it.

        It has an address of its own; with ``dns`` the server's names lead to it meanwhile, and
        with ``disk`` a disk of its own, which can become full.
        """
        original = deployment.host
        host = self.lab.host(
            f"{original.name}-{purpose}",
            base=self._snapshots[original.name],
            readdress=True,
            disk=disk,
        )
        if not dns:
            self._point_names(deployment, original)
        try:
            yield Deployment(host=host, settings=deployment.settings, ca_file=deployment.ca_file)
        finally:
            self.lab.discard(host)
            self._point_names(deployment, original)

    def _first_run(self, member: Member, host: Host, settings: Mapping[str, Any]) -> None:
        inventory = write_inventory(
            self.lab.state / "inventories" / host.name, {host: settings}, **member.data(self.lab)
        )
        with watched_processes(host) as seen, watched_files(host) as readable:
            result = run_pyinfra(inventory, "-y", *TALKATIVE)
        STORE.mkdir(parents=True, exist_ok=True)
        self._record(host.name, "output").write_text(f"{result.stdout}\n{result.stderr}")
        self._record(host.name, "processes").write_text(seen())
        self._record(host.name, "readable").write_text(readable())
        self._record(host.name, "addresses").write_text(f"{host.ipv4}\n{host.ipv6}\n")

    def _record(self, name: str, what: str) -> Path:
        return STORE / f"{self._shared_name(name)}.{what}"

    def _shared_name(self, name: str) -> str:
        return f"{self.name}-{name}"

    def _snapshot_name(self, name: str) -> str:
        return f"{self.lab.name}-{name}"

    def _point_names(self, deployment: Deployment, host: Host) -> None:
        self.lab.dns(deployment.host.dns_names, host)
