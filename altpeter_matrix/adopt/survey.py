"""Looking at a hand-made server, and deciding all that its adoption will do. Changes nothing."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ..apply import additions, host_facts
from ..apply.prepared import Rendered, render_host, settings_text
from ..base.accounts import read_accounts
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.yaml_text import parse_mapping
from ..host.facts import Synapse
from ..host.links import NGINX_SITE
from ..nginx.syntax import loaded_files
from ..settings.model import Settings, load_settings, parse_settings_text
from ..synapse import config_files, handmade, health
from . import certbot, from_sqlite, service
from .agreement import disagreements, other_options, with_what_fits
from .first_settings import settings, synapse_port
from .options import Change, Division, Known, divide, secret_files
from .packaged_conffile import packaged
from .reading import Reading, read_present
from .sites import Sites, locations_of, rivals, sites

ADDITION = "adopted.yaml"
_SETTINGS_HEADER = """\
# The settings of this Matrix server, as `altpeter-matrix adopt` found it.
# Afterwards: altpeter-matrix apply
# All settings: /usr/share/doc/altpeter-matrix-config/settings.md

"""
_ADDITION_HEADER = """\
# Options that this server had before `altpeter-matrix adopt`, each as it was. They win over what
# altpeter-matrix sets; remove what you no longer need, then: altpeter-matrix apply
"""
_LEFTOVERS = (".dpkg-dist", ".dpkg-new", ".dpkg-old")


@dataclass(frozen=True)
class Survey:
    """An adoption, decided."""

    synapse: Synapse
    reading: Reading
    settings_text: str
    settings: Settings
    addition: str = field(repr=False)  # the text of synapse.d/adopted.yaml; empty: none is needed
    secrets: Mapping[str, str] = field(repr=False)
    packaged: Mapping[Path, bytes]
    snippets: tuple[Path, ...]  # files in conf.d that go
    leftovers: tuple[Path, ...]  # what dpkg left beside conffiles
    sites: tuple[Path, ...]  # files that nginx loads and will not any more
    renewals: Mapping[Path, str]
    rendered: Rendered
    changes: tuple[Change, ...]
    move: from_sqlite.Move | None  # of the database, before anything else

    @property
    def expected(self) -> frozenset[str]:
        """The options that may differ afterwards."""
        return frozenset(change.key for change in self.changes) | {"report_stats"}

    @property
    def instead(self) -> dict[Path, bytes | None]:
        gone = dict.fromkeys((*self.snippets, *self.sites))
        return {**self.packaged, **gone}


def survey(paths: Paths, settings_file: Path | None = None) -> Survey:
    """Raises MatrixConfigError with everything that forbids the adoption.

    settings_file: settings that the host is to have, in the place of its own.
    """
    accounts = read_accounts(paths.root)
    synapse = host_facts.synapse(paths, accounts)
    if synapse is None:
        raise HostError(Problem("Synapse", "is not installed", "there is nothing to adopt"))
    service.require_whole(synapse)
    reading = read_present(paths, synapse)
    conffiles = (paths.synapse / "homeserver.yaml", paths.synapse / "log.yaml")
    texts = packaged(paths, *conffiles)
    served = _sites(paths, reading)
    known = Known(
        options=reading.options,
        packaged=config_files.parse(texts[conffiles[0]]),
        names=served.names,
        ports=frozenset(port for one in served.servers for port in one.ports),
        documents=_documents(reading, served),
    )
    file = settings_file or (paths.settings if paths.settings.exists() else None)
    text = settings_text(file) if file else _new_settings_text(known)
    wanted = parse_settings_text(text, source="settings.yaml")
    generated = render_host(paths, wanted).options
    move = from_sqlite.planned(paths, reading.options, generated)
    if move is not None:
        known = replace(known, options={**known.options, "database": move.option})
    division, addition, rendered = _divide(paths, known, wanted, generated)
    problems = [
        *(from_sqlite.problems(paths, move) if move is not None else ()),
        *service.problems(paths),
        *served.problems,
        *rivals(served, wanted.certificate_names),
        *division.problems,
    ]
    if file is not None:
        problems += disagreements(known, wanted) or _asked_otherwise(paths, known, text)
    problems += _certificate_problems(served, rendered)
    if problems:
        raise HostError(problems)
    renewals, renewal_changes = _renewals(paths, wanted, rendered)
    return Survey(
        synapse=synapse,
        reading=reading,
        settings_text=text,
        settings=wanted,
        addition=addition,
        secrets=secret_files(reading.options),
        packaged={path: texts[path] for path in conffiles},
        snippets=tuple(handmade.own_snippets(paths)),
        leftovers=tuple(
            path
            for conffile in conffiles
            for suffix in _LEFTOVERS
            if (path := conffile.with_name(conffile.name + suffix)).exists()
        ),
        sites=tuple(paths.on_host(file) for file in served.files),
        renewals=renewals,
        rendered=rendered,
        changes=(
            *_database_changes(move),
            *division.changes,
            *_site_changes(served, wanted),
            *renewal_changes,
            *_host_changes(wanted),
        ),
        move=move,
    )


def _sites(paths: Paths, reading: Reading) -> Sites:
    known = locations_of(additions.read_nginx(paths).values(), str(paths.nginx_additions))
    files = {p: tree for p, tree in loaded_files().items() if p != f"/{NGINX_SITE}"}
    return sites(files, synapse_port(reading.options), known)


def _documents(reading: Reading, served: Sites) -> dict[str, Any]:
    """The well-known documents that the world reads now."""
    found: dict[str, Any] = {}
    server = str(reading.options.get("server_name", "")).lower()
    for host in dict.fromkeys((server, *sorted(served.names))):
        for name in ("client", "server", "support"):
            if name in found or host not in served.names:
                continue
            try:
                answer = health.get(host, f"/.well-known/matrix/{name}")
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 200 and isinstance(answer.json(), dict):
                found[name] = answer.json()
    return found


def _new_settings_text(known: Known) -> str:
    """What fits the server, where nobody has brought settings yet."""
    text = yaml.safe_dump(settings(known), sort_keys=False, allow_unicode=True)
    return f"{_SETTINGS_HEADER}{text}"


def _asked_otherwise(paths: Paths, known: Known, text: str) -> list[Problem]:
    """What the settings ask for in so many words and the server does not do."""
    fitting = settings(known)
    asked = with_what_fits(fitting, parse_mapping(text, "settings.yaml"))
    fits, asks = (
        render_host(paths, load_settings(one, source="settings.yaml")).options
        for one in (fitting, asked)
    )
    return other_options(known, fits, asks)


def _divide(
    paths: Paths, known: Known, wanted: Settings, generated: Mapping[str, Any]
) -> tuple[Division, str, Rendered]:
    division = divide(known, generated)
    addition = ""
    if division.carried:
        text = yaml.safe_dump(dict(division.carried), sort_keys=True, allow_unicode=True)
        addition = f"{_ADDITION_HEADER}{text}"
    if division.problems:
        return division, addition, render_host(paths, wanted)
    return division, addition, render_host(paths, wanted, {ADDITION: addition} if addition else {})


def _certificate_problems(served: Sites, rendered: Rendered) -> list[Problem]:
    if not served.certificates or not rendered.facts.certificate.placeholder:
        return []
    shown = ", ".join(sorted(served.certificates))
    return [
        Problem(
            shown, f"is no certificate of certbot's for {rendered.settings.public_name}",
            "get one with certbot first: nginx would serve the self-signed placeholder",
        )
    ]  # fmt: skip


def _renewals(
    paths: Paths, wanted: Settings, rendered: Rendered
) -> tuple[dict[Path, str], list[Change]]:
    """certbot's renewal, through the directory that our site answers challenges from."""
    chosen = rendered.facts.certificate
    file = None if chosen.placeholder else certbot.renewal(paths, chosen.fullchain)
    if file is None:
        return {}, []
    covered = certbot.names(paths, chosen.fullchain)
    text = file.read_text(encoding="utf-8")
    before = certbot.authenticator(text)
    if before not in {"nginx", "standalone", "webroot"}:
        return {}, []  # by DNS, for instance: it does not need this host's site
    if not set(covered) <= set(wanted.certificate_names):
        other = ", ".join(sorted(set(covered) - set(wanted.certificate_names)))
        return {}, [Change(str(file), before, before, f"it also covers {other}: look after it")]
    new = certbot.through_webroot(text, covered, Paths().acme_webroot)
    if new == text:
        return {}, []
    return {file: new}, [Change(f"{file}: authenticator", before, "webroot", "the same names")]


def _site_changes(served: Sites, wanted: Settings) -> list[Change]:
    changes = [Change(file, "loaded by nginx", "taken out, kept") for file in served.files]
    if any(one.everything for one in served.servers):
        changes.append(
            Change("/_synapse/admin", "public", "on this host only", "http://127.0.0.1 answers it")
        )
    ports = {port for server in served.servers for port in server.ports} - {80, 443, 8448}
    changes += [Change(f"port {port}", "answered by nginx", "closed") for port in sorted(ports)]
    if wanted.federation.port_8448 and not served.listens(8448):
        changes.append(Change("port 8448", "closed", "answered by nginx", "for federation"))
    return changes


def _database_changes(move: from_sqlite.Move | None) -> list[Change]:
    if move is None:
        return []
    return [
        Change(
            "database", f"SQLite ({move.source})", f"PostgreSQL ({move.target})",
            "moved by Synapse's synapse_port_db while Synapse is stopped, for good: --undo leaves"
            " it there",
        )
    ]  # fmt: skip


def _host_changes(wanted: Settings) -> list[Change]:
    """What is not Synapse's configuration nor nginx's, and changes all the same."""
    changes = [
        Change("TLS", "as the old site had it", "1.2 and 1.3, with HSTS", "Mozilla's guideline"),
        Change("matrix-synapse and nginx", "as packaged", "hardened", "systemd drop-ins"),
    ]
    if wanted.updates.unattended:
        changes.append(
            Change(
                "updates of Debian and Synapse", "as apt was set up", "install themselves",
                "else set updates.unattended to false in settings.yaml",
            )
        )  # fmt: skip
    return changes
