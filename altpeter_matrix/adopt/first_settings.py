"""The first settings.yaml of a hand-made server, from what was found on it: pure functions."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..settings.schema import acceptable, annotated
from .comparison import Options
from .options import Known, resources_of


def settings(known: Known) -> dict[str, Any]:
    """What keeps the server as it is, where a setting can say it."""
    options = known.options
    server = str(options.get("server_name", "")).lower()
    public = public_name(known)
    aliases = sorted(known.names - {server, public})
    found: dict[str, Any] = {"server_name": server}
    if public != server:
        found["public_name"] = public
    if aliases:
        found["aliases"] = aliases
    found["report_stats"] = options.get("report_stats") is True
    federation: dict[str, Any] = {}
    if public != server and server not in known.names:
        federation["delegation"] = "elsewhere"
    if known.ports and 8448 not in known.ports:
        federation["port_8448"] = False
    if federation:
        found["federation"] = federation
    found |= _well_known(known)
    found |= _followed_by_nginx(options)
    # Synapse deletes nothing by itself: that is for the administrator to decide.
    found["media"] = {"remote_retention": None}
    found["url_previews"] = options.get("url_preview_enabled") is True
    found["metrics"] = {"enabled": False}
    if (port := synapse_port(options)) != 8008:
        found["listener"] = {"port": port}
    return found


def _followed_by_nginx(options: Options) -> dict[str, Any]:
    """Settings that synapse.d cannot say instead, as nginx does not read that."""
    found: dict[str, Any] = {}
    for setting, option in annotated("x-synapse-option").items():
        if setting not in annotated("x-nginx") or option not in options:
            continue
        given = options[option]
        if fitting := [one for one in (given, str(given)) if acceptable(setting, one)]:
            group, _, name = setting.rpartition(".")
            (found.setdefault(group, {}) if group else found)[name] = fitting[0]
    return found


def public_name(known: Known) -> str:
    """The name that clients connect to."""
    server = str(known.options.get("server_name", "")).lower()
    client = known.documents.get("client")
    homeserver = client.get("m.homeserver") if isinstance(client, Mapping) else None
    base = homeserver.get("base_url") if isinstance(homeserver, Mapping) else None
    for url in (known.options.get("public_baseurl"), base):
        name = urlsplit(str(url)).hostname if url else None
        if name and (not known.names or name in known.names):
            return name
    if server in known.names or not known.names:
        return server
    return min(known.names, key=lambda name: (len(name), name))


def _well_known(known: Known) -> dict[str, Any]:
    client = known.documents.get("client")
    if not isinstance(client, Mapping):
        return {}
    found: dict[str, Any] = {}
    identity = client.get("m.identity_server")
    if isinstance(identity, Mapping) and identity.get("base_url"):
        found["identity_server"] = identity["base_url"]
    others = {k: v for k, v in client.items() if k not in {"m.homeserver", "m.identity_server"}}
    if others:
        found["client"] = others
    support = known.documents.get("support")
    if isinstance(support, Mapping):
        found["support"] = dict(support)
    return {"well_known": found} if found else {}


def synapse_port(options: Options) -> int:
    """The port that nginx is to reach Synapse on."""
    for listener in options.get("listeners") or ():
        if not isinstance(listener, Mapping) or listener.get("type") != "http":
            continue
        if "client" in resources_of(listener) and isinstance(listener.get("port"), int):
            return int(listener["port"])
    return 8008
