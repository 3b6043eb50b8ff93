"""What makes a mounted root *this* host: address, name, keys, trust. Written while it is off."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .network import GATEWAY, SERVICES, Subnet

TRUST = Path("usr/local/share/ca-certificates/altpeter-lab.crt")
# Packages change when a test says so. At 6 and 18 o'clock and some time after these would take the
# locks of apt, and install whatever a test has published. They run, as `status` wants them to.
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")
NEVER = "[Timer]\nOnCalendar=\nOnCalendar=2199-01-01\nPersistent=no\n"


@dataclass(frozen=True)
class Identity:
    """A host's place in the lab."""

    fqdn: str
    number: int
    subnet: Subnet

    @property
    def hostname(self) -> str:
        return self.fqdn.partition(".")[0]

    def network_file(self) -> str:
        """Return the systemd-networkd file; there is no IPv6 beyond the bridge."""
        return (
            "[Match]\nName=host0\n\n[Network]\n"
            f"Address={self.subnet.ipv4(self.number)}/24\n"
            f"Gateway={self.subnet.ipv4(GATEWAY)}\n"
            "IPv6AcceptRA=no\nLinkLocalAddressing=no\n\n"
            f"[Address]\nAddress={self.subnet.ipv6(self.number)}/64\nDuplicateAddressDetection=none\n"
        )

    def resolv_conf(self) -> str:
        return f"nameserver {self.subnet.ipv4(SERVICES)}\n"

    def hosts_file(self) -> str:
        return (
            f"127.0.0.1 localhost\n127.0.1.1 {self.fqdn} {self.hostname}\n"
            "::1 localhost ip6-localhost ip6-loopback\n"
        )


def give_birth(root: Path, identity: Identity) -> None:
    """Do once what a cloud image does at its first boot."""
    # With a machine id systemd does not take this for a first boot, which would ask questions.
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (root / "etc/hostname").write_text(f"{identity.hostname}\n")
    (root / "etc/hosts").write_text(identity.hosts_file())
    run("ssh-keygen", "-A", "-f", root)


def settle(root: Path, identity: Identity, public_key: str, trusted: str) -> None:
    """Do before every boot what depends on this run of the lab."""
    _write(root / "etc/systemd/network/10-lab.network", identity.network_file())
    _write(root / "etc/resolv.conf", identity.resolv_conf())
    if not (root / "etc/debian_version").read_text().startswith("12."):
        # From OpenSSH 9.8 on (sshd_config(5)) a lab's many short and broken connections have sshd
        # refuse all others for minutes. Debian 12's does not know the option.
        _write(root / "etc/ssh/sshd_config.d/lab.conf", "PerSourcePenalties no\n")
    for timer in TIMERS:
        _write(root / f"etc/systemd/system/{timer}.d/lab.conf", NEVER)
    for home, owner in (("root", 0), ("home/debian", 1000)):
        keys = root / home / ".ssh/authorized_keys"
        _write(keys, public_key, 0o600)
        run("chown", "-R", f"{owner}:{owner}", keys.parent)
        keys.parent.chmod(0o700)
    trust(root, trusted)


def trust(root: Path, certificates: str) -> None:
    """Make the system store of a host trust these certificates, in addition to Debian's.

    As update-ca-certificates(8) does it, which takes a second of processor time, as it reads all
    of Debian's again; run by a package later, it comes to the same.
    """
    local, store = root / TRUST.parent, root / "etc/ssl/certs"
    wanted = {f"{TRUST.stem}-{index}": text for index, text in enumerate(split_pem(certificates))}
    present = {path.stem: path.read_text() for path in local.glob(f"{TRUST.stem}-*.crt")}
    if wanted == present:
        return
    for name in present:
        (local / f"{name}.crt").unlink()
    for link in store.iterdir():
        if link.is_symlink() and TRUST.stem in str(link.readlink()):
            link.unlink()
    bundle = store / "ca-certificates.crt"
    others = [one for one in split_pem(bundle.read_text()) if one not in present.values()]
    _write(bundle, "".join([*others, *wanted.values()]))
    for name, text in wanted.items():
        _write(local / f"{name}.crt", text)
        (store / f"{name}.pem").symlink_to(f"/{TRUST.parent}/{name}.crt")
        # OpenSSL finds a certificate in a directory by this, see openssl-rehash(1).
        digest = run("openssl", "x509", "-noout", "-hash", input=text).stdout.strip()
        free = (store / f"{digest}.{number}" for number in range(100))
        next(link for link in free if not link.is_symlink()).symlink_to(f"{name}.pem")


def split_pem(text: str) -> list[str]:
    """Return the certificates of a bundle, each once."""
    end = "-----END CERTIFICATE-----\n"
    parts = [part.strip() for part in text.replace("\r", "").split(end)]
    return list(dict.fromkeys(f"{part}\n{end}" for part in parts if part))


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A link in a host's root would lead out of it.
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)
