"""Settings that must be refused, each with the key and the remedy that the refusal names."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

MAIL = {"smtp_host": "mail.example.org", "from": "Matrix <noreply@example.org>"}


@dataclass(frozen=True)
class BadSetting:
    name: str
    spoil: Callable[[dict[str, Any]], None]
    key: str  # as the refusal names it
    remedy: str  # a part of it

    def spoiled(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        copy = deepcopy(dict(settings))
        self.spoil(copy)
        return copy


def put(path: str, value: Any, key: str | None = None, *, remedy: str, name: str) -> BadSetting:
    """One value in the place of another."""

    def spoil(settings: dict[str, Any]) -> None:
        *outer, last = path.split(".")
        place = settings
        for part in outer:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[last] = value

    return BadSetting(name, spoil, key or path, remedy)


def without(key: str, *, remedy: str, name: str) -> BadSetting:
    return BadSetting(name, lambda settings: settings.pop(key), key, remedy)


def alias_twice(settings: dict[str, Any]) -> None:
    settings["aliases"] = [settings.get("public_name", settings["server_name"])]


BAD_SETTINGS = (
    # Missing and misspelt keys.
    without("server_name", remedy="add `server_name:", name="no server name"),
    put("servername", "x.test", remedy="did you mean server_name?", name="misspelt key"),
    put("uploads.maxsize", "5M", remedy="did you mean max_size?", name="misspelt inner key"),
    put("federation.port-8448", True, remedy="did you mean port_8448?", name="hyphen in a key"),
    put("turn", {}, remedy="known here:", name="key of another program"),
    put("email", {"from": MAIL["from"]}, "email.smtp_host", remedy="add `smtp_host:",
        name="mail without a server"),
    put("well_known.support", {"contacts": [{"role": "m.role.admin"}]},
        "well_known.support.contacts.0", remedy="add matrix_id or email_address",
        name="contact without an address"),
    # Wrong types.
    put("report_stats", "yes", remedy="write true or false", name="text for true"),
    put("aliases", "beta.test", remedy="write one item per line", name="text for a list"),
    put("federation", "on", remedy="put its keys, indented", name="text for a group"),
    put("uploads.max_size", 50, remedy="write 50M", name="number for a size"),
    put("listener.port", "8008", remedy="port", name="text for a port"),
    put("uploads", None, remedy="fill it in or remove the key", name="empty value"),
    # Bad names.
    put("server_name", "192.0.2.1", remedy="write a host name", name="IPv4 as server name"),
    put("server_name", "2001:db8::1", remedy="write a host name", name="IPv6 as server name"),
    put("server_name", "alpha.test:8448", remedy="write alpha.test", name="port in a server name"),
    put("server_name", "https://alpha.test/", remedy="write alpha.test",
        name="URL as server name"),
    put("server_name", "alpha", remedy="write the full name", name="server name without domain"),
    put("server_name", "my_server.test", remedy="letters, digits, hyphens", name="underscore"),
    put("public_name", "matrix.alpha.test.", remedy="write matrix.alpha.test",
        name="dot at the end"),
    put("public_name", "mätrix.test", remedy="xn--mtrix-gra.test", name="umlaut"),
    put("aliases", ["*.alpha.test"], "aliases.0", remedy="list each host name", name="wildcard"),
    put("administrator.username", "Admin User", remedy="write lower-case letters",
        name="user name with a space"),
    put("database.name", "template1", remedy="write another name", name="template database"),
    put("database.name", "Synapse-DB", remedy="write lower-case letters",
        name="database name with a hyphen"),
    # Values out of range or of no meaning.
    put("uploads.max_size", "50 megs", remedy="write 50M", name="no size"),
    put("media.remote_retention", "three months", remedy="write 90d", name="no duration"),
    put("federation.delegation", "wellknown", remedy="did you mean well-known?",
        name="misspelt choice"),
    put("log_level", "LOUD", remedy="write one of DEBUG", name="no log level"),
    put("metrics.port", 80, remedy="write 1024 or more", name="privileged port"),
    put("database.max_connections", 1000, remedy="write 90 or less", name="too many connections"),
    put("firewall.allow", ["ssh"], "firewall.allow.0", remedy="PORT/tcp", name="no firewall rule"),
    put("firewall.allow", ["70000/tcp"], "firewall.allow", remedy="up to 65535",
        name="port that does not exist"),
    put("certificates.directory", "http://acme.example.org/dir", remedy="write https://",
        name="ACME without TLS"),
    put("certificates.email", "nobody", remedy="write admin@example.org", name="no address"),
    put("email", {**MAIL, "from": "Matrix"}, "email.from", remedy="write Matrix <",
        name="no sender"),
    put("email", {**MAIL, "security": "ssl"}, "email.security", remedy="write one of starttls",
        name="no mail security"),
    put("well_known.identity_server", "vector.im", remedy="write https://", name="no URL"),
    put("synapse_repository.key_fingerprint", "ABCD", remedy="ingerprint",
        name="no fingerprint"),
    put("backup", {"time": "03:30"}, "backup.to", remedy="add `to:", name="backup to nowhere"),
    put("backup.to", "backups", remedy="as in /srv/backup",
        name="backup to a relative path"),
    put("backup.to", "sftp:nas.test:/srv", remedy="sftp:", name="SFTP without a user"),
    put("backup.to", "s3:s3.test/b", remedy="write s3:https://s3.test/b", name="S3 without https"),
    put("backup.to", "/var/lib/matrix-synapse/backup", remedy="on another disk",
        name="backup into what is backed up"),
    put("backup", {"to": "/srv", "time": "3am"}, "backup.time", remedy='"03:30"',
        name="no time of the day"),
    put("backup", {"to": "/srv", "keep": {"daily": 0}}, "backup.keep.daily",
        remedy="write 1 or more", name="no backup to be kept"),
    put("reclaim.minutes", 4, remedy="5", name="too little time to give back room"),
    put("reclaim.minutes", 1000, remedy="360", name="more time than a night has"),
    put("reclaim.minutes", "60", remedy="write 60", name="text for minutes"),
    put("reclaim.gigabytes", "10G", remedy="as in 10", name="text for gigabytes"),
    put("reclaim.gigabytes", 0, remedy="1", name="nothing to write anew"),
    put("reclaim.enabled", "no", remedy="write true or false", name="text for giving back"),
    put("reclaim.vacuum", True, remedy="known here:", name="a way of giving back"),
    put("backup", {"to": "/srv", "bandwidth": "100"}, "backup.bandwidth", remedy="write 1K",
        name="too little bandwidth"),
    put("backup", {"to": "/srv", "drill": "daily"}, "backup.drill", remedy="write one of weekly",
        name="drill each day"),
    put("backup", {"to": "/srv/a", "password_file": "/srv/a/key"}, "backup.password_file",
        remedy="leave it out", name="key beside the backup"),
    # Contradictions, and options with another owner.
    put("metrics.port", 8008, remedy="write another port", name="one port for two"),
    put("listener.port", 5432, remedy="write another port", name="PostgreSQL's port"),
    BadSetting("alias twice", alias_twice, "aliases", "remove it from aliases"),
    put("email", {**MAIL, "username": "me", "security": "none"}, "email.security",
        remedy="set security: starttls or tls", name="mail password unencrypted"),
    put("well_known.support", {}, remedy="add one of them", name="empty support document"),
    put("synapse.server_name", "other.test", remedy="at the top of the settings",
        name="server name under synapse"),
    put("synapse.macaroon_secret_key", "x", remedy="/etc/altpeter-matrix/secrets/",
        name="secret under synapse"),
    put("synapse.turn_shared_secret", "x", remedy="synapse.d", name="another secret"),
)  # fmt: skip
