"""What a host is like, read in one round trip before anything is changed.

The whole deploy is decided from this one observation, so it never depends on what an earlier,
perhaps killed, run believed it had done. What is printed where: *.observe.sh, beside this.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from altpeter_matrix.host.requirements import os_release
from altpeter_matrix.host.ufw import live_ports

from ..base.packages import DEBIAN_SYNAPSE, UPSTREAM_SYNAPSE
from .observed import (
    Values,
    after,
    after_first,
    any_value,
    first,
    has,
    numbers,
    observed,
    pairs,
    part,
    rows,
)


def digest(content: bytes) -> str:
    """The SHA-256 that files.observe.sh prints for a file."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Package:
    """A Debian package as dpkg knows it."""

    status: str  # dpkg's own word: installed, unpacked, half-configured, …
    version: str
    broken: bool  # dpkg wants it reinstalled

    @property
    def installed(self) -> bool:
        return self.status in {"installed", "triggers-awaited", "triggers-pending"}


@dataclass(frozen=True)
class Listener:
    """A listening TCP port and who holds it."""

    port: int
    program: str
    unit: str


def _release(values: Values) -> Mapping[str, str]:
    return os_release("\n".join(values))


def _packages(values: Values) -> Mapping[str, Package]:
    """As dpkg-query has them: name, wanted, flag, status, version."""
    found = {}
    for value in values:
        name, _, flag, status, *version = value.split()
        if status not in {"not-installed", "config-files"}:
            found[name] = Package(status, version[0] if version else "", flag != "ok")
    return found


def _listening(values: Values) -> tuple[Listener, ...]:
    """Port, program, whose name may have blanks, and unit, or a hyphen."""
    found = []
    for value in values:
        port, _, rest = value.partition(" ")
        program, _, unit = rest.rpartition(" ")
        found.append(Listener(int(port), program, "" if unit == "-" else unit))
    return tuple(found)


def _names(values: Values) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for name, address in rows(values, 2):
        found.setdefault(name, set()).add(address)
    return {name: frozenset(addresses) for name, addresses in found.items()}


def _services(values: Values) -> frozenset[tuple[str, str]]:
    return frozenset((name, f"{port} {host}") for name, port, host in rows(values, 3))


def _files(values: Values) -> Mapping[str, str]:
    return {path: digest for digest, _, path in (value.partition(" ") for value in values)}


def _keyrings(values: Values) -> Mapping[str, bytes]:
    found = {}
    for path, text in rows(values, 2):
        try:
            found[path] = base64.b64decode(text, validate=True)
        except binascii.Error:
            continue
    return found


def _server_name(values: Values) -> str | None:
    return (first(values) or "").strip("'\"") or None


def _ports(values: Values) -> frozenset[int]:
    return frozenset(int(port) for port in values)


def _locale(values: Values) -> tuple[str, ...]:
    return tuple((after_first("locale")(values) or "").split())


def _settled(values: Values) -> bool | None:
    return {"settled": True, "unsettled": False}.get(first(values) or "")


def _says(name: str, *wanted: str) -> Callable[[Values], bool]:
    """Whether a file of ufw's gives the name one of these."""
    return lambda values: pairs(values).get(name, "").strip("\"'").lower() in wanted


def _live_ports(values: Values) -> frozenset[str]:
    """What iptables accepts in the chain of ufw."""
    return live_ports("\n".join(values))


def _certificate_names(values: Values) -> frozenset[str]:
    return frozenset(name.lower() for name in after("name")(values))


@dataclass(frozen=True)
class Firewall:
    """ufw: what its files say, and what the kernel has."""

    installed: bool = observed("ufw", any_value)
    enabled: bool = observed("ufw", _says("enabled", "yes"))
    denies_incoming: bool = observed("ufw", _says("input", "drop", "reject"))
    ipv6: bool = observed("ufw", _says("ipv6", "yes"))
    rules: tuple[str, ...] = observed("ufw-rules", tuple)  # ufw's own tuples
    live_ports: frozenset[str] = observed("ufw-live", _live_ports)  # "443/tcp"


@dataclass(frozen=True)
class Certificate:
    """The certificate of certbot's that nginx serves, else the one named after public_name."""

    names: frozenset[str] = observed("certificate", _certificate_names)
    valid: bool = observed("certificate", has("valid"))  # for another day at least
    # The ACME directory that renews it, and certbot's name for it.
    server: str | None = observed("certificate", after_first("server"))
    lineage: str | None = observed("certificate", after_first("lineage"))


@dataclass(frozen=True)
class HostState:
    """One observation of a host: each field with the key that it is printed under."""

    lock_holder: str | None = observed("lock", first)
    release: Mapping[str, str] = observed("release", _release)
    systemd: bool = observed("systemd", any_value)
    free_kib: Mapping[str, int] = observed("disk", numbers)  # by mount point
    free_inodes: Mapping[str, int] = observed("inodes", numbers)
    dpkg_interrupted: bool = observed("interrupted", any_value)
    packages: Mapping[str, Package] = observed("packages", _packages)
    automatic: frozenset[str] = observed("automatic", frozenset)
    newer_package: str | None = observed("newer", first)
    listening: tuple[Listener, ...] = observed("listening", _listening)
    # Not only on loopback: "25/tcp".
    public_ports: tuple[str, ...] = observed("public", tuple)
    addresses: frozenset[str] = observed("addresses", frozenset)
    names: Mapping[str, frozenset[str]] = observed("names", _names)
    # SRV: name, "port target".
    services: frozenset[tuple[str, str]] = observed("services", _services)
    files: Mapping[str, str] = observed("files", _files)  # path to SHA-256
    keyrings: Mapping[str, bytes] = observed("keyrings", _keyrings)  # by path
    server_name: str | None = observed("server-name", _server_name)
    # Files of Synapse's that were edited, before any generation.
    handmade: tuple[str, ...] = observed("handmade", tuple)
    # Files of apt's that name Synapse's repository alone, and those that name others as well.
    other_sources: tuple[str, ...] = observed("other-sources", after("alone"))
    shared_sources: tuple[str, ...] = observed("other-sources", after("shared"))
    debconf: Mapping[str, str] = observed("debconf", pairs)
    sshd_ports: frozenset[int] = observed("sshd-ports", _ports)
    firewall: Firewall = part(Firewall)
    certificate: Certificate = part(Certificate)
    default_site_decided: bool = observed("nginx-default", has("decided"))
    units: Mapping[str, str] = observed("units", pairs)  # enabled, disabled, masked, …
    database_locale: tuple[str, ...] = observed("database", _locale)
    users: bool = observed("database", has("users"))
    # The account of the administrator's name: active, deactivated, or ordinary, without rights.
    administrator: str | None = observed("database", after_first("administrator"))
    administrator_password: bool = observed("database", has("password"))
    smtp_password_same: bool = observed("smtp-password", has("same"))
    smtp_password_private: bool = observed("smtp-password", has("mode 600 0"))
    # Whether `altpeter-matrix apply` has nothing to do; None: no tool.
    settled: bool | None = observed("tool", _settled)

    @property
    def codename(self) -> str:
        return self.release.get("VERSION_CODENAME", "")

    def has_file(self, path: str, content: bytes) -> bool:
        """Whether one of the files that are looked at has this content."""
        return self.files.get(path) == digest(content)

    def installed(self, package: str) -> bool:
        found = self.packages.get(package)
        return found is not None and found.installed

    @property
    def synapse_installed(self) -> bool:
        """Upstream's package or Debian's."""
        return self.installed(UPSTREAM_SYNAPSE) or self.installed(DEBIAN_SYNAPSE)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Packages between two states, as a killed dpkg leaves them."""
        between = {"half-installed", "unpacked", "half-configured"}
        return tuple(name for name, p in self.packages.items() if p.status in between or p.broken)
