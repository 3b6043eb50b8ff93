"""The documents under /.well-known/matrix/ (Matrix client-server and server-server APIs)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from .model import Settings, SupportContact

Document = Mapping[str, Any]


def documents(settings: Settings) -> dict[str, Document]:
    """All documents that this server has, by their last path component.

    With SRV delegation there is no `server`: it would win over the SRV record.
    """
    found: dict[str, Document] = {"client": _client(settings)}
    if settings.federation.delegation != "srv":
        found["server"] = {"m.server": f"{settings.public_name}:443"}
    support = settings.well_known.support
    if support is not None:
        page = {"support_page": support.support_page} if support.support_page else {}
        found["support"] = {"contacts": [_contact(one) for one in support.contacts], **page}
    return dict(sorted(found.items()))


def _client(settings: Settings) -> Document:
    document: dict[str, Any] = {"m.homeserver": {"base_url": f"https://{settings.public_name}"}}
    if settings.well_known.identity_server is not None:
        document["m.identity_server"] = {"base_url": settings.well_known.identity_server}
    return {**document, **settings.well_known.client}


def _contact(contact: SupportContact) -> Document:
    return {key: value for key, value in asdict(contact).items() if value is not None}
