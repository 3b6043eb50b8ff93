"""Settings: validated once against the JSON schema, frozen and typed from then on.

Used on the host (settings.yaml) and on the controller (``matrix`` in group_data) alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..base.errors import SettingsError
from ..base.yaml_text import parse_document
from .backup_place import BackupPlace
from .problems import Written
from .rules import contradictions
from .schema import validated
from .typed import Bytes, Days, HostName, Hours, typed

Delegation = Literal["well-known", "elsewhere", "srv"]
MailSecurity = Literal["starttls", "tls", "none"]
Drill = Literal["weekly", "monthly", "never"]
WebhookFormat = Literal["ntfy", "json"]
Storage = Literal["flash", "disk"]
USUAL_SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True)
class Federation:
    delegation: Delegation
    port_8448: bool
    trusted_key_servers: tuple[HostName, ...]


@dataclass(frozen=True)
class SupportContact:
    role: str
    matrix_id: str | None
    email_address: str | None


@dataclass(frozen=True)
class Support:
    contacts: tuple[SupportContact, ...]
    support_page: str | None


@dataclass(frozen=True)
class WellKnown:
    identity_server: str | None
    client: Mapping[str, Any]
    support: Support | None


@dataclass(frozen=True)
class Uploads:
    max_size: Bytes


@dataclass(frozen=True)
class Media:
    remote_retention: str | None
    local_retention: str | None


@dataclass(frozen=True)
class Email:
    smtp_host: str
    smtp_port: int
    security: MailSecurity
    sender: str = field(metadata={"setting": "from"})
    username: str | None
    password_file: Path
    app_name: str
    notifications: bool
    client_base_url: str | None


@dataclass(frozen=True)
class Metrics:
    enabled: bool
    port: int


@dataclass(frozen=True)
class Listener:
    port: int


@dataclass(frozen=True)
class Database:
    name: str
    max_connections: int | None


@dataclass(frozen=True)
class Sizing:
    enabled: bool
    memory: Bytes | None
    storage: Storage
    shared_buffers: Bytes | None
    effective_cache_size: Bytes | None
    work_mem: Bytes | None
    maintenance_work_mem: Bytes | None
    autovacuum_work_mem: Bytes | None
    cache_memory: Bytes | None


@dataclass(frozen=True)
class Certificates:
    acme: bool
    directory: str
    email: str | None


@dataclass(frozen=True)
class Firewall:
    enabled: bool
    allow: tuple[str, ...]


@dataclass(frozen=True)
class Updates:
    unattended: bool
    backup: Path | None
    backup_max_age: Days


@dataclass(frozen=True)
class Keep:
    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True)
class Backup:
    to: BackupPlace
    time: str
    keep: Keep
    point_in_time: Path | None
    bandwidth: Bytes | None
    password_file: Path
    ssh_key_file: Path
    ssh_port: int
    s3_keys_file: Path
    drill: Drill


@dataclass(frozen=True)
class Reclaim:
    enabled: bool
    minutes: int
    gigabytes: int


@dataclass(frozen=True)
class Webhook:
    url: str
    format: WebhookFormat
    token_file: Path | None


@dataclass(frozen=True)
class Quiet:
    hours: Hours
    errors: bool


@dataclass(frozen=True)
class Notify:
    mail: tuple[str, ...] | None
    webhook: Webhook | None
    quiet: Quiet | None
    repeat: Days | None


@dataclass(frozen=True)
class Administrator:
    username: str


@dataclass(frozen=True)
class SynapseRepository:
    uri: str
    key_url: str
    key_fingerprint: str


@dataclass(frozen=True)
class Settings:
    """All that an administrator decides; the schema has the defaults."""

    server_name: HostName
    public_name: HostName
    aliases: tuple[HostName, ...]
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
    sizing: Sizing
    log_level: str
    certificates: Certificates
    firewall: Firewall
    updates: Updates
    backup: Backup | None
    reclaim: Reclaim
    notify: Notify
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


def load_settings(
    data: Mapping[str, Any], *, source: str, written: Written = lambda _way: None
) -> Settings:
    """Typed settings from raw ones; SettingsError lists every problem, each with source and key.

    written: how a value is written, where that is known; see validated.
    """
    settings = _build(validated(data, source, written))
    problems = contradictions(settings, source)
    if problems:
        raise SettingsError(problems)
    return settings


def parse_settings_text(text: str, *, source: str) -> Settings:
    """Typed settings from the text of settings.yaml."""
    document = parse_document(text, source)
    return load_settings(document.data, source=source, written=document.scalar)


def _build(raw: dict[str, Any]) -> Settings:
    """The settings that follow from others, and all of them typed."""
    raw.setdefault("public_name", raw["server_name"])
    if email := raw["email"]:
        email.setdefault("smtp_port", USUAL_SMTP_PORTS[email["security"]])
    repository = raw["synapse_repository"]
    repository["uri"] = repository["uri"].rstrip("/")
    repository.setdefault("key_url", f"{repository['uri']}/matrix-org-archive-keyring.gpg")
    return typed(Settings, raw)
