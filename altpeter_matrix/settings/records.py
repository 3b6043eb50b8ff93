"""What others have to publish for this server: DNS records and, elsewhere, well-known documents."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from . import well_known
from .model import Settings


@dataclass(frozen=True)
class DnsRecord:
    """One record, without the final dots of a zone file."""

    name: str
    type: Literal["A", "AAAA", "SRV"]
    value: str
    purpose: str

    def __str__(self) -> str:
        """The line of a zone file."""
        value = f"{self.value}." if self.type == "SRV" else self.value
        return f"{self.name}. 3600 IN {self.type} {value}"


@dataclass(frozen=True)
class WellKnownDocument:
    """A JSON document that another web server has to answer."""

    url: str
    body: str


# A browser reads the documents from other sites.
WELL_KNOWN_HEADERS = "Content-Type: application/json and Access-Control-Allow-Origin: *"


def dns_records(
    settings: Settings, *, ipv4: Sequence[str], ipv6: Sequence[str]
) -> tuple[DnsRecord, ...]:
    """The records that this server needs, given the host's public addresses."""
    records: list[DnsRecord] = []
    for name in settings.certificate_names:
        purpose = _purpose(settings, name)
        records += [DnsRecord(name, "A", address, purpose) for address in ipv4]
        records += [DnsRecord(name, "AAAA", address, purpose) for address in ipv6]
    return (*records, *_service_records(settings))


def _purpose(settings: Settings, name: str) -> str:
    if name == settings.public_name:
        return "clients and other servers connect here"
    if name == settings.server_name:
        return "the server name: its well-known documents and certificate"
    return "a further name of this server"


def _service_records(settings: Settings) -> tuple[DnsRecord, ...]:
    """SRV records for delegation without a well-known document (server-server API, 3.5 and 3.6).

    None when other servers find the right port by themselves: 8448 of the server name.
    """
    server, public = settings.server_name, settings.public_name
    port = 8448 if settings.federation.port_8448 else 443
    if settings.federation.delegation != "srv" or (server == public and port == 8448):
        return ()
    target = f"10 5 {port} {public}"
    return (
        DnsRecord(f"_matrix-fed._tcp.{server}", "SRV", target, "federation"),
        DnsRecord(f"_matrix._tcp.{server}", "SRV", target, "federation, servers before Matrix 1.8"),
    )


def documents_elsewhere(settings: Settings) -> tuple[WellKnownDocument, ...]:
    """What the web server of server_name has to answer when this host does not answer for it."""
    if settings.federation.delegation != "elsewhere":
        return ()
    return tuple(
        WellKnownDocument(
            url=f"https://{settings.server_name}/.well-known/matrix/{name}",
            body=json.dumps(document),
        )
        for name, document in well_known.documents(settings).items()
    )
