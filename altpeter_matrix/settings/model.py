"""Settings: validated once against the JSON schema, frozen and typed from then on.

Used on the host (settings.yaml) and on the controller (``matrix`` in group_data) alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..base.errors import SettingsError
from ..base.yaml_text import parse_document
from .problems import Written
from .quantities import parse_days, parse_size
from .rules import contradictions
from .schema import validated

Delegation = Literal["well-known", "elsewhere", "srv"]
MailSecurity = Literal["starttls", "tls", "none"]
USUAL_SMTP_PORTS = {"starttls": 587, "tls": 465, "none": 25}


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
    backup: Path | None = None
    backup_max_age_days: int = 2


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
    """The dataclasses from validated settings with all defaults; host names in lower case."""
    server_name = raw["server_name"].lower()
    return Settings(
        server_name=server_name,
        public_name=raw.get("public_name", server_name).lower(),
        aliases=tuple(name.lower() for name in raw["aliases"]),
        report_stats=raw["report_stats"],
        federation=Federation(
            delegation=raw["federation"]["delegation"],
            port_8448=raw["federation"]["port_8448"],
            trusted_key_servers=tuple(
                name.lower() for name in raw["federation"]["trusted_key_servers"]
            ),
        ),
        well_known=_well_known(raw["well_known"]),
        uploads=Uploads(max_size_bytes=parse_size(raw["uploads"]["max_size"])),
        media=Media(**raw["media"]),
        url_previews=raw["url_previews"],
        presence=raw["presence"],
        email=_email(raw["email"]) if raw["email"] is not None else None,
        metrics=Metrics(**raw["metrics"]),
        listener=Listener(**raw["listener"]),
        database=Database(**raw["database"]),
        log_level=raw["log_level"],
        certificates=Certificates(**raw["certificates"]),
        firewall=Firewall(
            enabled=raw["firewall"]["enabled"], allow=tuple(raw["firewall"]["allow"])
        ),
        updates=_updates(raw["updates"]),
        administrator=(
            Administrator(**raw["administrator"]) if raw["administrator"] is not None else None
        ),
        synapse_repository=_synapse_repository(raw["synapse_repository"]),
        synapse=raw["synapse"],
    )


def _well_known(raw: dict[str, Any]) -> WellKnown:
    support = raw["support"]
    return WellKnown(
        identity_server=raw["identity_server"],
        client=raw["client"],
        support=None
        if support is None
        else Support(
            contacts=tuple(SupportContact(**contact) for contact in support["contacts"]),
            support_page=support.get("support_page"),
        ),
    )


def _email(raw: dict[str, Any]) -> Email:
    return Email(
        smtp_host=raw["smtp_host"],
        smtp_port=raw.get("smtp_port", USUAL_SMTP_PORTS[raw["security"]]),
        security=raw["security"],
        sender=raw["from"],
        username=raw["username"],
        password_file=Path(raw["password_file"]),
        app_name=raw["app_name"],
        notifications=raw["notifications"],
        client_base_url=raw["client_base_url"],
    )


def _updates(raw: dict[str, Any]) -> Updates:
    return Updates(
        unattended=raw["unattended"],
        backup=None if raw["backup"] is None else Path(raw["backup"]),
        backup_max_age_days=parse_days(raw["backup_max_age"]),
    )


def _synapse_repository(raw: dict[str, Any]) -> SynapseRepository:
    uri = raw["uri"].rstrip("/")
    return SynapseRepository(
        uri=uri,
        key_url=raw.get("key_url", f"{uri}/matrix-org-archive-keyring.gpg"),
        key_fingerprint=raw["key_fingerprint"],
    )
