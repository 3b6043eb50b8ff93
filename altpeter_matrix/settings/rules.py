"""What a JSON schema cannot say: settings that contradict each other, and their owners."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from ..base.errors import Problem
from . import backup_rules, user_ids

if TYPE_CHECKING:
    from .model import Settings

# Ports of the other programs of the same host that are not settings.
_RESERVED_PORTS = {5432: "PostgreSQL", 8448: "nginx (federation)"}

# letsencrypt.org/docs/rate-limits, "Limits on identifiers"; what other authorities allow differs.
_MOST_CERTIFICATE_NAMES = 100

# Top-level Synapse options that have another owner: what to do instead. Remedies, not passwords.
_OWNED_ELSEWHERE = {
    "server_name": "set server_name at the top of the settings",
    "report_stats": "set report_stats at the top of the settings",
    "signing_key": "leave the key in the file that Synapse's package names",
    "signing_key_path": "leave the key in the file that Synapse's package names",
    "macaroon_secret_key": "put it into /etc/altpeter-matrix/secrets/macaroon_secret_key",  # nosec B105
    "form_secret": "put it into /etc/altpeter-matrix/secrets/form_secret",  # nosec B105
    "registration_shared_secret": (  # nosec B105
        "put it into /etc/altpeter-matrix/secrets/registration_shared_secret"
    ),
}
SECRET_NAME = re.compile(r"(^|_)(secret|secret_key|private_key|password|passwd|pass|pepper|token)$")
# What else an address calls a secret.
_KEYS = {"auth", "key", "apikey", "api_key", "access_key", "signature", "sig"}


def contradictions(settings: "Settings", source: str) -> tuple[Problem, ...]:
    """Every rule that these settings break."""

    def problem(key: str, what: str, remedy: str) -> Problem:
        return Problem(f"{source}: {key}", what, remedy)

    rules = (_names, _certificate, _user_ids, _ports, _mail, _well_known, _firewall, _notify)
    found = [problem(*one) for rule in rules for one in rule(settings)]
    found += [problem(*one) for one in backup_rules.contradictions(settings)]
    found += [
        problem(f"synapse.{key}", what, remedy)
        for key, what, remedy in refused_synapse_keys(settings.synapse, readable_by_all=True)
    ]
    return tuple(found)


Contradiction = tuple[str, str, str]  # key, what is wrong, remedy


def _names(settings: "Settings") -> Iterator[Contradiction]:
    server, public = settings.server_name, settings.public_name
    delegation = settings.federation.delegation
    for alias in settings.aliases:
        if alias == public:
            yield "aliases", f"{alias} is the public name already", "remove it from aliases"
        elif alias == server and delegation == "elsewhere":
            yield (
                "aliases",
                f"{alias} is answered by another web server (federation.delegation: elsewhere)",
                "remove it from aliases, or set federation.delegation: well-known",
            )
        elif alias == server:
            yield "aliases", f"{alias} is the server name already", "remove it from aliases"
    if len(set(settings.aliases)) < len(settings.aliases):
        yield "aliases", "names a host twice", "remove one of them"
    if delegation == "elsewhere" and server == public:
        yield (
            "federation.delegation",
            f"elsewhere, yet {server} is this host's own name",
            "set public_name to this host's name, or delegation: well-known",
        )


def _certificate(settings: "Settings") -> Iterator[Contradiction]:
    authority = urlsplit(settings.certificates.directory).hostname or ""
    names = len(settings.certificate_names)
    if (
        settings.certificates.acme
        and authority.endswith(".letsencrypt.org")
        and names > _MOST_CERTIFICATE_NAMES
    ):
        yield (
            "aliases",
            f"makes {names} names of this server, of which a certificate of Let's Encrypt covers"
            f" {_MOST_CERTIFICATE_NAMES}",
            f"remove {names - _MOST_CERTIFICATE_NAMES} of them",
        )


def _user_ids(settings: "Settings") -> Iterator[Contradiction]:
    room = user_ids.room_for_localpart(settings.server_name)
    if room < user_ids.LONGEST_OWN_NAME:
        yield (
            "server_name",
            f"has {len(settings.server_name)} characters; a user ID has at most"
            f" {user_ids.LONGEST_USER_ID} with it, of which this package's own account needs"
            f" {user_ids.LONGEST_OWN_NAME}",
            "write a shorter one, as in example.org",
        )
        return
    administrator = settings.administrator
    if administrator is not None and len(administrator.username) > room:
        yield (
            "administrator.username",
            f"has {len(administrator.username)} characters; a user ID has at most"
            f" {user_ids.LONGEST_USER_ID}, which leaves {room} with this server name",
            "write a shorter one, as in admin",
        )


def _ports(settings: "Settings") -> Iterator[Contradiction]:
    used = {"listener.port": settings.listener.port}
    if settings.metrics.enabled:
        used["metrics.port"] = settings.metrics.port
    for key, port in used.items():
        if port in _RESERVED_PORTS:
            yield key, f"{port} is {_RESERVED_PORTS[port]}'s port", "write another port"
    if len(set(used.values())) < len(used):
        yield (
            "metrics.port",
            f"{settings.metrics.port} is listener.port too",
            "write another port, as in 9000",
        )


def _mail(settings: "Settings") -> Iterator[Contradiction]:
    email = settings.email
    if email is None:
        return
    if email.security == "none" and email.username is not None:
        yield (
            "email.security",
            "none would send the password of email.username unencrypted",
            "set security: starttls or tls, or remove username",
        )
    if email.security == "starttls" and email.smtp_port == 465:
        yield (
            "email.security",
            "starttls does not work on port 465, where TLS begins at once",
            "set security: tls, or smtp_port: 587",
        )


def _well_known(settings: "Settings") -> Iterator[Contradiction]:
    owners = {
        "m.homeserver": "remove it; its base URL follows public_name",
        "m.identity_server": "set well_known.identity_server instead",
    }
    for key, remedy in owners.items():
        if key in settings.well_known.client:
            yield f"well_known.client.{key}", "is set by this package", remedy
    support = settings.well_known.support
    if support is not None and not support.contacts and support.support_page is None:
        yield (
            "well_known.support",
            "has neither contacts nor support_page",
            "add one of them, or remove support",
        )


def _firewall(settings: "Settings") -> Iterator[Contradiction]:
    for rule in settings.firewall.allow:
        if int(rule.partition("/")[0]) > 65535:
            yield (
                "firewall.allow",
                f"{rule} is not a port",
                "write a number up to 65535, as in 3478/udp",
            )


def _notify(settings: "Settings") -> Iterator[Contradiction]:
    notify = settings.notify
    if len({one.lower() for one in notify.mail or ()}) < len(notify.mail or ()):
        yield "notify.mail", "names an address twice", "remove one of them"
    if notify.webhook is not None:
        words = {key.lower() for key, _ in parse_qsl(urlsplit(notify.webhook.url).query)}
        if named := sorted(one for one in words if SECRET_NAME.search(one) or one in _KEYS):
            yield (
                "notify.webhook.url",
                f"has a secret in it ({', '.join(named)}), and every user of the host can read"
                " this file",
                "put it into a file that notify.webhook.token_file names",
            )


def refused_synapse_keys(
    options: Mapping[str, Any], *, readable_by_all: bool
) -> Iterator[Contradiction]:
    """Synapse options that have another owner and, in a file that all may read, secrets."""
    for key, remedy in _OWNED_ELSEWHERE.items():
        if key in options:
            yield key, "is not set here", remedy
    if readable_by_all:
        for path in _secrets(options):
            if path not in _OWNED_ELSEWHERE:
                yield (
                    path,
                    "is a secret, and every user of the host can read this file",
                    "put it into a file in /etc/altpeter-matrix/synapse.d, or use its _path option",
                )


def _secrets(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all texts below value whose key says that they are secret."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            inner = f"{path}.{key}" if path else str(key)
            if isinstance(item, str) and item and SECRET_NAME.search(str(key)):
                yield inner
            else:
                yield from _secrets(item, inner)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, path)
