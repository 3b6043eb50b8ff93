"""Settings: validated once against the JSON schema, frozen and typed from then on.

Used on the host (settings.yaml) and on the controller (``matrix`` in group_data) alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Delegation = Literal["well-known", "elsewhere", "srv"]
MailSecurity = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class Federation:
    delegation: Delegation = "well-known"
    port_8448: bool = True
    trusted_key_servers: tuple[str, ...] = ("matrix.org",)


@dataclass(frozen=True)
class SupportContact:
    role: str
    matrix_id: str | None = None
    email_address: str | None = None


@dataclass(frozen=True)
class Support:
    contacts: tuple[SupportContact, ...] = ()
    support_page: str | None = None


@dataclass(frozen=True)
class WellKnown:
    identity_server: str | None = None
    client: Mapping[str, Any] = field(default_factory=dict)
    support: Support | None = None


@dataclass(frozen=True)
class Uploads:
    max_size_bytes: int = 50 * 1024**2


@dataclass(frozen=True)
class Media:
    remote_retention: str | None = "90d"
    local_retention: str | None = None


@dataclass(frozen=True)
class Email:
    smtp_host: str
    smtp_port: int
    security: MailSecurity
    sender: str
    username: str | None = None
    password_file: Path = Path("/etc/altpeter-matrix/secrets/smtp_password")
    app_name: str = "Matrix"
    notifications: bool = True
    client_base_url: str | None = None


@dataclass(frozen=True)
class Metrics:
    enabled: bool = True
    port: int = 9000


@dataclass(frozen=True)
class Listener:
    port: int = 8008


@dataclass(frozen=True)
class Database:
    name: str = "synapse"
    max_connections: int | None = None


@dataclass(frozen=True)
class Certificates:
    acme: bool = True
    directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    email: str | None = None


@dataclass(frozen=True)
class Firewall:
    enabled: bool = True
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Updates:
    unattended: bool = True


@dataclass(frozen=True)
class Administrator:
    username: str = "admin"


@dataclass(frozen=True)
class SynapseRepository:
    uri: str
    key_url: str
    key_fingerprint: str


@dataclass(frozen=True)
class Settings:
    """All that an administrator decides."""

    server_name: str
    public_name: str
    aliases: tuple[str, ...]
    report_stats: bool
    federation: Federation
    well_known: WellKnown
    uploads: Uploads
    media: Media
    url_previews: bool
    presence: bool
    email: Email | None
    metrics: Metrics
    listener: Listener
    database: Database
    log_level: str
    certificates: Certificates
    firewall: Firewall
    updates: Updates
    administrator: Administrator | None
    synapse_repository: SynapseRepository
    synapse: Mapping[str, Any]

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """The names the certificate covers, public_name first (it also names the certificate).

        server_name is left out when another web server answers for it.
        """
        names = [self.public_name, *self.aliases]
        if self.federation.delegation != "elsewhere":
            names.append(self.server_name)
        return tuple(dict.fromkeys(names))
