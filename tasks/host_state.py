"""What a host is like, read in one round trip before anything is changed.

The whole deploy is decided from this one observation, so it never depends on what an earlier,
perhaps killed, run believed it had done.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


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


@dataclass(frozen=True)
class Firewall:
    """ufw: what its files say, and what the kernel has."""

    installed: bool = False
    enabled: bool = False
    denies_incoming: bool = False
    ipv6: bool = False
    rules: tuple[str, ...] = ()  # ufw's own tuples
    live_ports: frozenset[str] = frozenset()  # "443/tcp"


@dataclass(frozen=True)
class Certificate:
    """The certificate of certbot's that nginx serves, else the one named after public_name."""

    names: frozenset[str] = frozenset()
    valid: bool = False  # for another day at least
    server: str | None = None  # the ACME directory that renews it
    lineage: str | None = None  # certbot's name for it


@dataclass(frozen=True)
class HostState:
    """One observation of a host."""

    lock_holder: str | None = None
    release: Mapping[str, str] = field(default_factory=dict)
    systemd: bool = False
    free_kib: Mapping[str, int] = field(default_factory=dict)  # by mount point
    free_inodes: Mapping[str, int] = field(default_factory=dict)
    dpkg_interrupted: bool = False
    packages: Mapping[str, Package] = field(default_factory=dict)
    automatic: frozenset[str] = frozenset()
    newer_package: str | None = None
    listening: tuple[Listener, ...] = ()
    public_ports: tuple[str, ...] = ()  # not only on loopback: "25/tcp"
    addresses: frozenset[str] = frozenset()
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    services: frozenset[tuple[str, str]] = frozenset()  # SRV: name, "port target"
    files: Mapping[str, str] = field(default_factory=dict)  # path to SHA-256
    keyrings: Mapping[str, bytes] = field(default_factory=dict)  # by path
    server_name: str | None = None
    handmade: tuple[str, ...] = ()  # files of Synapse's that were edited, before any generation
    other_sources: tuple[str, ...] = ()  # files of apt's that name Synapse's repository alone
    shared_sources: tuple[str, ...] = ()  # and those that name others as well
    debconf: Mapping[str, str] = field(default_factory=dict)
    sshd_ports: frozenset[int] = frozenset()
    firewall: Firewall = Firewall()
    certificate: Certificate = Certificate()
    default_site_decided: bool = False
    units: Mapping[str, str] = field(default_factory=dict)  # enabled, disabled, masked, …
    database_locale: tuple[str, ...] = ()
    users: bool = False
    # The account of the administrator's name: active, deactivated, or ordinary, without rights.
    administrator: str | None = None
    administrator_password: bool = False
    smtp_password_same: bool = False
    smtp_password_private: bool = False
    settled: bool | None = None  # whether `altpeter-matrix apply` has nothing to do; None: no tool

    @property
    def codename(self) -> str:
        return self.release.get("VERSION_CODENAME", "")

    def installed(self, package: str) -> bool:
        found = self.packages.get(package)
        return found is not None and found.installed

    @property
    def synapse_installed(self) -> bool:
        """Upstream's package or Debian's."""
        return self.installed("matrix-synapse-py3") or self.installed("matrix-synapse")

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Packages between two states, as a killed dpkg leaves them."""
        between = {"half-installed", "unpacked", "half-configured"}
        return tuple(name for name, p in self.packages.items() if p.status in between or p.broken)


def parse(lines: Iterable[str]) -> HostState:
    """The observation that host_state.sh printed; ValueError when it did not get to its end."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line.startswith("## "):
            current = sections.setdefault(line[3:].strip(), [])
        elif line.strip():
            current.append(line.rstrip())
    if "end" not in sections:
        raise ValueError("the observation of the host is not complete")

    def words(name: str) -> list[list[str]]:
        return [line.split() for line in sections[name]]

    def first(name: str) -> str | None:
        return sections[name][0].strip() if sections[name] else None

    names: dict[str, set[str]] = {}
    for name, address in words("names"):
        names.setdefault(name, set()).add(address)
    database = words("database")
    return HostState(
        lock_holder=first("lock"),
        release=_assignments(sections["release"]),
        systemd=bool(sections["systemd"]),
        free_kib={mount: int(free) for mount, free in words("disk")},
        free_inodes={mount: int(free) for mount, free in words("inodes")},
        dpkg_interrupted=bool(sections["interrupted"]) or bool(sections["audit"]),
        packages=_packages(sections["packages"]),
        automatic=frozenset(sections["automatic"]),
        newer_package=first("newer"),
        listening=tuple(
            Listener(int(port), program, "" if unit == "-" else unit)
            for port, program, unit in words("listening")
        ),
        public_ports=tuple(sections["public"]),
        addresses=frozenset(sections["addresses"]),
        names={name: frozenset(found) for name, found in names.items()},
        services=frozenset((name, f"{port} {host}") for name, port, host in words("services")),
        files={path: digest for digest, path in (row.split(" ", 1) for row in sections["files"])},
        keyrings={path: key for path, text in words("keyrings") if (key := _decoded(text))},
        server_name=(first("server-name") or "").strip("'\"") or None,
        handmade=tuple(sections["handmade"]),
        other_sources=tuple(row[1] for row in words("other-sources") if row[0] == "alone"),
        shared_sources=tuple(row[1] for row in words("other-sources") if row[0] == "shared"),
        debconf={row[0]: row[1] for row in words("debconf") if len(row) == 2},
        sshd_ports=frozenset(int(port) for port in sections["sshd-ports"]),
        firewall=_firewall(sections),
        certificate=_certificate(sections["certificate"]),
        default_site_decided="decided" in sections["nginx-default"],
        units={row[0]: row[1] for row in words("units") if len(row) == 2},
        database_locale=next((tuple(row[1:]) for row in database if row[0] == "locale"), ()),
        users=["users"] in database,
        administrator=next((row[1] for row in database if row[0] == "administrator"), None),
        administrator_password=["password"] in database,
        smtp_password_same="same" in sections["smtp-password"],
        smtp_password_private="mode 600 0" in sections["smtp-password"],
        settled={"settled": True, "unsettled": False}.get(first("tool") or ""),
    )


def _assignments(lines: Iterable[str]) -> dict[str, str]:
    """Shell assignments such as those of os-release(5)."""
    found = re.findall(r'^(\w+)="?([^"\n]*)"?$', "\n".join(lines), re.MULTILINE)
    return dict(found)


def _packages(lines: Iterable[str]) -> dict[str, Package]:
    found = {}
    for line in lines:
        name, _, flag, status, *version = line.split()
        if status not in {"not-installed", "config-files"}:
            found[name] = Package(status, version[0] if version else "", flag != "ok")
    return found


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _firewall(sections: Mapping[str, list[str]]) -> Firewall:
    rows = [line.split(maxsplit=1) for line in sections["ufw"]]
    values = {row[0]: row[1].strip("\"'").lower() for row in rows if len(row) == 2}
    live = re.findall(
        r"^-A ufw-user-input -p (tcp|udp) .*--dport (\d+) .*-j (?:ACCEPT|ufw-user-limit)",
        "\n".join(sections["ufw-live"]),
        re.MULTILINE,
    )
    return Firewall(
        installed=bool(values),
        enabled=values.get("enabled") == "yes",
        denies_incoming=values.get("input") in {"drop", "reject"},
        ipv6=values.get("ipv6") == "yes",
        rules=tuple(sections["ufw-rules"]),
        live_ports=frozenset(f"{port}/{protocol}" for protocol, port in live),
    )


def _certificate(lines: Iterable[str]) -> Certificate:
    rows = [line.split() for line in lines]
    return Certificate(
        names=frozenset(row[1].lower() for row in rows if row[0] == "name"),
        valid=["valid"] in rows,
        server=next((row[1] for row in rows if row[0] == "server"), None),
        lineage=next((row[1] for row in rows if row[0] == "lineage"), None),
    )
