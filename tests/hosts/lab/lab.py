"""The lab: a bridge, a services host and any number of disposable Debian hosts."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

from . import snapshots
from .authority import authority
from .commands import run
from .dns import Zone
from .errors import LabError
from .host import Access, Host
from .identity import Identity, split_pem
from .images import base_image
from .layout import LAB, RELEASES
from .ledger import Ledger
from .leftovers import clean, remove, take
from .network import FIRST_HOST, SERVICES, Network, choose_subnet, choose_token
from .prepare import Needs, prepare
from .progress import step
from .requirements import require
from .services import Services, services_layers
from .snapshots import Snapshot


class Lab:
    """A run of the lab. Use `Lab.open` in a ``with`` statement."""

    services: Services

    def __init__(self, name: str, lock: IO[str], needs: Needs) -> None:
        self.name = name
        self._needs = needs
        self.state = LAB / name
        self._lock = lock
        self._guard = threading.RLock()
        self._closed = False
        self._detached = False
        self._handler: Any = None
        self._hosts: dict[str, Host] = {}
        self._zone = Zone()
        ledger = Ledger(self.state / "ledger")
        remove(self.state, ledger)
        network = Network(choose_token(), choose_subnet(f"{self.state}"))
        key = self.state / "ssh_key"
        sockets = Path("/run", f"lab-{network.token}")
        ledger.add("connections", str(sockets))
        sockets.mkdir(mode=0o700)
        self._access = Access(
            network, ledger, self.state, key, authority().root.read_text(), sockets
        )
        if not key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key)

    @classmethod
    def open(cls, name: str = "test", needs: Needs | None = None) -> Lab:
        """Clean up what a dead run of this name left, then start the services host."""
        require()
        lab = cls(name, take(LAB / name), needs or Needs())
        try:
            lab._begin()
        except BaseException:
            lab.close()
            raise
        return lab

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _begin(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._terminate)
        prepare(self._needs)
        release = self._needs.services
        shutil.rmtree(self.state / "logs", ignore_errors=True)
        (self.state / "logs").mkdir()
        with step(f"lab {self.name!r}"):
            self._access.network.open(self._access.ledger)
            host = self._new_host(
                "lab.test", "lab.test", SERVICES, release, services_layers(release)
            )
            self.services = Services(host, self._zone, self.state / "ca.pem")
            for label in ("", "acme.", "mail.", "packages.", "upgrades."):
                self._zone.addresses[f"{label}lab.test"] = (host.ipv4, host.ipv6)
            host.start(newborn=True, prepare=self.services.prepare)
            issuing = self.services.issuing_root()
            self._own_roots = self._access.trusted + issuing
            self._trust(issuing)
        for supported in self._needs.releases:
            self.services.publish_synapse(*self._needs.versions, debian=supported)

    @property
    def ca_pem(self) -> str:
        """Everything that lab hosts must trust, and do."""
        return self._access.trusted

    @property
    def ca_file(self) -> Path:
        """The same, as a file on the controller."""
        return self.services.ca_file

    @property
    def hosts(self) -> dict[str, Host]:
        """Return the hosts made so far, by name."""
        return dict(self._hosts)

    def host(
        self,
        name: str,
        *,
        debian: str = "12",
        base: Snapshot | None = None,
        dns: Sequence[str] = (),
        readdress: bool = False,
        disk: bool = False,
    ) -> Host:
        """Boot a host: bare, or a clone of a snapshot at the snapshot's address.

        ``dns`` are names that then point to it; a clone has those of its original by default.
        With ``disk`` what it writes goes to a disk of its own, which can become full.
        """
        names = tuple(dns) or (base.dns if base else ())
        if base is None:
            fqdn = name if "." in name else (names[0] if names else f"{name}.lab.test")
            lowers, release = [base_image(debian)], debian
        else:
            fqdn, release, lowers = base.fqdn, base.debian, [Path(layer) for layer in base.layers]
        if release not in RELEASES:
            raise LabError(f"no Debian {release} in the lab; there are {', '.join(RELEASES)}")
        if base is not None:
            # Its certificate may come from the ACME server of another run, or of another process.
            self._trust(base.roots)
        number = base.number if base and not readdress else None
        host = self._new_host(name, fqdn, number, release, lowers, disk=disk)
        with self._guard:
            for known in {f"{name.partition('.')[0]}.lab.test", *names}:
                self._zone.addresses[known] = (host.ipv4, host.ipv6)
            self.services.update_dns()
        host.dns_names = names
        host.met_roots = base.roots if base else ""
        host.start(newborn=base is None)
        if base is not None:
            self.services.introduce(host, base.roots)
        return host

    def _trust(self, roots: str) -> None:
        """From now on, in all hosts that start."""
        with self._guard:
            self._access.trusted = "".join(split_pem(self._access.trusted + roots))
            self.services.ca_pem = self._access.trusted
            unfinished = self.services.ca_file.with_suffix(".unfinished")
            unfinished.write_text(self._access.trusted)
            unfinished.replace(self.services.ca_file)

    def _new_host(
        self,
        name: str,
        fqdn: str,
        number: int | None,
        debian: str,
        lowers: Sequence[Path],
        *,
        disk: bool = False,
    ) -> Host:
        with self._guard:
            if self._closed:
                raise LabError(f"the lab {self.name!r} is closed")
            if name in self._hosts:
                raise LabError(f"the lab already has a host {name!r}; discard it first")
            taken = {host.identity.number: host for host in self._hosts.values()}
            if number is None:
                reserved = {snapshot.number for snapshot in snapshots.all_saved()} | set(taken)
                number = next(n for n in range(FIRST_HOST, 255) if n not in reserved)
            elif number in taken:
                raise LabError(
                    f"{taken[number].name!r} has the address that {name!r} needs: discard it first"
                    ", or ask for readdress=True"
                )
            identity = Identity(fqdn, number, self._access.network.subnet)
            host = Host(name, debian, identity, lowers, self._access, disk=disk)
            self._hosts[name] = host
            return host

    def discard(self, host: Host) -> None:
        """Remove a host, its disk and its names."""
        host.discard()
        self._hosts.pop(host.name, None)
        own = {host.ipv4, host.ipv6}
        with self._guard:
            for name, addresses in list(self._zone.addresses.items()):
                if own.issuperset(addresses):
                    self._zone.remove(name)
            self.services.update_dns()

    def dns(
        self, name: str | Sequence[str], host: Host, *, ipv4: bool = True, ipv6: bool = True
    ) -> None:
        """Point a name, or several, to a host, at once."""
        wanted = ((host.ipv4,) if ipv4 else ()) + ((host.ipv6,) if ipv6 else ())
        with self._guard:
            for one in (name,) if isinstance(name, str) else name:
                self._zone.addresses[one] = wanted
            self.services.update_dns()

    def dns_srv(self, name: str, target: str, port: int) -> None:
        """Add a service record, for instance ``_matrix-fed._tcp.example.test``."""
        with self._guard:
            self._zone.services.setdefault(name, set()).add((target, port))
            self.services.update_dns()

    def dns_remove(self, name: str) -> None:
        """Forget all records of a name."""
        with self._guard:
            self._zone.remove(name)
            self.services.update_dns()

    def snapshot(self, host: Host, name: str, run: str = "") -> Snapshot:
        """Power a host off and freeze it; it can be started again, and so can clones of it.

        Snapshots stay for later runs: `load_snapshot`.
        """
        with step(f"snapshot {name!r}"), snapshots.changing():
            layer = snapshots.new_layer(name)
            host.freeze(layer)
            return snapshots.save(
                Snapshot(
                    name,
                    host.debian,
                    host.identity.fqdn,
                    host.identity.number,
                    tuple(map(str, host.lowers)),
                    host.dns_names,
                    "".join(split_pem(self._own_roots + host.met_roots)),
                    run,
                )
            )

    def load_snapshot(self, name: str) -> Snapshot | None:
        """Return a snapshot of this or an earlier run."""
        return snapshots.load(name)

    def client_argv(self, *argv: str) -> list[str]:
        """Return a command that runs ``argv`` on the controller with the lab's DNS and trust.

        It sees a resolv.conf and a certificate bundle of its own; the controller's own stay.
        """
        resolv = self.state / "resolv.conf"
        resolv.write_text(f"nameserver {self.services.host.ipv4}\n")
        bundle = self.state / "bundle.pem"
        store = Path("/etc/ssl/certs/ca-certificates.crt")
        bundle.write_text(store.read_text() + self.ca_pem)
        script = f"mount --bind {resolv} /etc/resolv.conf; mount --bind {bundle} {store}; "
        return ["unshare", "--mount", "sh", "-ec", script + 'exec "$@"', "sh", *argv]

    def detach(self) -> None:
        """Leave everything running when this process ends (until the next open or clean)."""
        self._detached = True

    @staticmethod
    def clean(name: str) -> None:
        """Remove what a dead or detached run left; refuse while one lives."""
        clean(name)

    def close(self) -> None:
        """Remove everything this run made; caches and snapshots stay."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        if not self._detached:
            self._access.ledger.close()
            with step(f"closing lab {self.name!r}"):
                remove(self.state, self._access.ledger)
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
        self._lock.close()

    def _terminate(self, number: int, _frame: FrameType | None) -> None:
        # Not an exception: pytest would take it for one test's failure and go on.
        try:
            self.close()
        finally:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
