"""Settings that are there before an adoption have to agree with the server: pure functions.

A deploy brings the inventory's settings along. What they do not mention stays as the server has it;
what they say otherwise is refused, so that an adoption changes nothing that was not announced and
nothing of the settings is overruled by what was carried over.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..base.errors import Problem
from ..settings.model import Settings, load_settings
from ..settings.schema import owners
from ..settings.well_known import documents
from ..synapse.secrets_store import GENERATED as SECRETS
from .comparison import DEFAULTS, Options, same, shown
from .first_settings import settings, synapse_port
from .options import ANNOUNCED, Known

_LATER = "leave it out until the server is adopted and change it then, or write what the server has"


def disagreements(known: Known, wanted: Settings) -> list[Problem]:
    """Settings about names, ports, documents and statistics that the server contradicts."""
    return [
        *_names(known, wanted),
        *_ports(known, wanted),
        *_documents(known, wanted),
        *_statistics(known, wanted),
    ]


def _names(known: Known, wanted: Settings) -> Iterator[Problem]:
    running = str(known.options.get("server_name", "")).lower()
    if wanted.server_name != running:
        yield Problem(
            "settings.yaml: server_name",
            f'"{wanted.server_name}" is not the name of this server, "{running}"',
            f"write `server_name: {running}`",
        )
    for name in sorted(known.names - {*wanted.certificate_names, wanted.server_name}):
        yield Problem(
            "settings.yaml: aliases", f"lacks {name}, which nginx serves Synapse under now",
            "add it",
        )  # fmt: skip
    document = known.documents.get("server")
    target = str(document.get("m.server", "")) if isinstance(document, Mapping) else ""
    if target and target.partition(":")[0] != wanted.public_name:
        yield Problem(
            f"https://{running}/.well-known/matrix/server",
            f"leads to {target}, which is not {wanted.public_name}",
            "set public_name in settings.yaml (altpeter-matrix init --server-name"
            f" {running}), or correct the document",
        )


def _ports(known: Known, wanted: Settings) -> Iterator[Problem]:
    port = synapse_port(known.options)
    if wanted.listener.port != port:
        yield Problem("settings.yaml: listener.port", f"is not the present one, {port}", "write it")
    if 8448 in known.ports and not wanted.federation.port_8448:
        yield Problem(
            "settings.yaml: federation.port_8448", "is false, and other servers use the port now",
            _LATER,
        )  # fmt: skip


def _documents(known: Known, wanted: Settings) -> Iterator[Problem]:
    fitting = settings(known)
    now = documents(load_settings(fitting, source="settings.yaml"))
    then = documents(wanted)
    for name in ("client", "support"):
        if name in known.documents and now.get(name) != then.get(name):
            yield Problem(
                "settings.yaml: well_known",
                f"/.well-known/matrix/{name} would be another than now",
                f"write `well_known: {fitting.get('well_known', {})}`",
            )


def _statistics(known: Known, wanted: Settings) -> Iterator[Problem]:
    now = known.options.get("report_stats") is True
    if wanted.report_stats is not now:
        yield Problem(
            "settings.yaml: report_stats", f"the server has {str(now).lower()}",
            f"write {str(now).lower()}; change it after the adoption if you want to",
        )  # fmt: skip


def with_what_fits(fitting: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the settings say, and for what they do not mention what fits the server."""
    both = dict(fitting)
    for key, value in raw.items():
        present = both.get(key)
        nested = isinstance(value, Mapping) and isinstance(present, Mapping)
        both[key] = with_what_fits(present, value) if nested else value  # type: ignore[arg-type]
    return both


def other_options(known: Known, fitting: Options, asked: Options) -> list[Problem]:
    """Options of Synapse that the settings want otherwise than they are.

    fitting: what this package would set for this server; asked: with the settings over that.
    """
    found = []
    for key in sorted({*fitting, *asked} - {*ANNOUNCED, *SECRETS}):
        now = known.options.get(key, DEFAULTS.get(key))
        if same(key, fitting.get(key), asked.get(key)) or same(key, now, asked.get(key)):
            continue
        present = known.options if key in known.options else DEFAULTS
        found.append(
            Problem(
                f"settings.yaml: {owners().get(key, f'synapse.{key}')}",
                f"asks for {key}: {shown(key, asked)}, and the server has {shown(key, present)}",
                _LATER,
            )
        )
    return found
