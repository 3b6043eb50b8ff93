"""Synapse's options: this package's, then `synapse:` of the settings, then synapse.d/*.yaml.

Merged as Synapse merges its own files: a later file replaces a whole top-level option.
The options are described in Synapse's configuration manual.
"""

from collections.abc import Mapping
from email.utils import formataddr, parseaddr
from ipaddress import ip_network
from operator import attrgetter
from typing import Any

from ..base.paths import Paths
from ..host.facts import HostFacts
from ..settings.model import Email, Settings
from ..settings.schema import annotated
from ..settings.sizing import Sizes, connections_by_processors
from .sized import caches, sized

Options = dict[str, Any]

# IPv4 that is not public according to IANA's special purpose registry, plus "this network", which
# Linux connects to itself.
_PRIVATE_IPV4 = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
)
# Addresses that link previews never fetch from. Of IPv6 only 2000::/3 is given out to the public
# (RFC 4291, IANA's registry of the address space); whatever else there is or will be, among it most
# forms in which IPv6 carries IPv4 (mapped, compatible, translated, NAT64), is outside of it.
NOT_PUBLIC = (
    *_PRIVATE_IPV4,
    "240.0.0.0/4",
    "::/3",
    "2001::/23",  # Teredo (RFC 4380), benchmarks, ORCHID
    "2001:db8::/32",
    "2002::/16",  # 6to4 (RFC 3056)
    "3fff::/20",  # documentation (RFC 9637)
    "4000::/2",
    "8000::/1",
)
# What other servers, push gateways and identity servers are never asked at: Synapse's default
# (synapse.config.server), and the same networks in what carries IPv4. NAT64 as such must stay: an
# IPv6-only host reaches servers with IPv4 through it.
_NAT64 = ip_network("64:ff9b::/96")
NOT_FEDERATED = (
    *_PRIVATE_IPV4,
    *(
        str(ip_network((int(_NAT64[0]) + int(network[0]), _NAT64.prefixlen + network.prefixlen)))
        for network in map(ip_network, _PRIVATE_IPV4)
    ),
    "::/96",  # loopback, and IPv4-compatible (RFC 4291)
    "::ffff:0:0/96",  # IPv4-mapped (RFC 4291)
    "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
    "64:ff9b:1::/48",  # NAT64 of one's own network (RFC 8215)
    "2001::/32",  # Teredo (RFC 4380)
    "2001:db8::/32",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
)

# What Synapse replaces by app_name in the sender, and a word that nobody uses.
_APP_NAME, _STAND_IN = "%(app)s", "altpeter-matrix-app-name"


def options(settings: Settings, facts: HostFacts, smtp_password: str | None) -> Options:
    """What this package sets, before any addition of the administrator's."""
    paths = Paths()
    sizes = sized(settings, facts)
    return {
        **{
            option: attrgetter(setting)(settings)
            for setting, option in annotated("x-synapse-option").items()
        },
        "public_baseurl": f"https://{settings.public_name}/",
        # nginx answers it from a file, also while Synapse restarts.
        "serve_server_wellknown": False,
        "listeners": _listeners(settings),
        "database": _database(settings, sizes, facts),
        # Without jemalloc nothing would bound them.
        **({"caches": caches(sizes)} if sizes and facts.jemalloc else {}),
        "log_config": str(paths.current / "synapse/log.yaml"),
        "macaroon_secret_key_path": str(paths.secrets / "macaroon_secret_key"),
        "form_secret_path": str(paths.secrets / "form_secret"),
        "registration_shared_secret_path": str(paths.secrets / "registration_shared_secret"),
        "enable_registration": False,
        "trusted_key_servers": [
            {"server_name": name} for name in settings.federation.trusted_key_servers
        ],
        "suppress_key_server_warning": True,
        "media_retention": _media_retention(settings),
        "url_preview_ip_range_blacklist": list(NOT_PUBLIC),
        "ip_range_blacklist": list(NOT_FEDERATED),
        "presence": {"enabled": settings.presence},
        **({"email": _email(settings.email, smtp_password)} if settings.email else {}),
    }


def merged(base: Mapping[str, Any], *additions: Mapping[str, Any]) -> Options:
    """The options that hold after all additions, each replacing whole top-level options."""
    result = dict(base)
    for addition in additions:
        result.update(addition)
    return result


def _listeners(settings: Settings) -> list[Options]:
    # TCP, not a Unix socket: Twisted's backlog of 50 makes nginx answer 502 to a burst there,
    # while over TCP the kernel lets clients try again.
    listeners: list[Options] = [
        {
            "port": settings.listener.port,
            "type": "http",
            "tls": False,
            "x_forwarded": True,
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": ["client", "federation"], "compress": False}],
        }
    ]
    if settings.metrics.enabled:
        # A listener of its own: metrics on the public one could be reached through nginx.
        listeners.append(
            {"port": settings.metrics.port, "type": "metrics", "bind_addresses": ["127.0.0.1"]}
        )
    return listeners


def _database(settings: Settings, sizes: Sizes | None, facts: HostFacts) -> Options:
    connections = settings.database.max_connections or connections_by_processors(facts.processors)
    if sizes is not None:
        connections = sizes.connections
    return {
        "name": "psycopg2",
        "txn_limit": 10000,
        "args": {
            "dbname": settings.database.name,
            # The role of the same name as the operating system's user: peer authentication.
            "user": "matrix-synapse",
            "host": "/var/run/postgresql",
            "cp_min": 5,
            "cp_max": connections,
        },
    }


def _media_retention(settings: Settings) -> Options:
    lifetimes = {
        "remote_media_lifetime": settings.media.remote_retention,
        "local_media_lifetime": settings.media.local_retention,
    }
    return {name: lifetime for name, lifetime in lifetimes.items() if lifetime is not None}


def _email(email: Email, password: str | None) -> Options:
    """Mail settings that Synapse accepts: any `email` needs notif_from, or it does not start.

    force_tls and require_transport_security with enable_tls: false are refused as well
    (synapse.config.emailconfig).
    """
    security: dict[str, Options] = {
        "starttls": {"require_transport_security": True},
        "tls": {"force_tls": True},
        "none": {"enable_tls": False},
    }
    account = {"smtp_user": email.username, "smtp_pass": password} if email.username else {}
    client = {"client_base_url": email.client_base_url} if email.client_base_url else {}
    return {
        "smtp_host": email.smtp_host,
        "smtp_port": email.smtp_port,
        **security[email.security],
        **account,
        "notif_from": _sender(email),
        "app_name": email.app_name,
        "enable_notifs": email.notifications,
        **client,
    }


def _sender(email: Email) -> str:
    """The sender as Synapse can put it into a header as it is.

    Python writes a header with letters beyond ASCII as one encoded word, the address included, and
    a comma of app_name would end the name: here the name alone is encoded or quoted (RFC 2047).
    """
    # In brackets it would be taken for a comment.
    name, address = parseaddr(email.sender.replace(_APP_NAME, _STAND_IN))
    name = name.replace(_STAND_IN, email.app_name)
    said = parseaddr(email.sender.replace(_APP_NAME, email.app_name))
    if not name or (name.isascii() and said == (name, address)):
        return email.sender
    return formataddr((name, address)).replace("%", "%%")


# What these say below their level holds secrets.
_QUIETER = {
    # Each SQL statement with its values: access tokens, passwords.
    "synapse.storage.SQL": {"level": "INFO"},
    # Requests with their query, of which Synapse hides access_token and client_secret only: not
    # login and registration tokens, codes of single sign-on, those in links of mails. Which
    # requests there were and what became of them is in nginx's access log.
    "synapse.access": {"level": "WARNING"},
    "synapse.http.server": {"level": "WARNING"},
    "synapse.http.site": {"level": "WARNING"},
    # The addresses of links that users share, in encrypted rooms too, when it previews them.
    "synapse.http.client": {"level": "WARNING"},
    "synapse.media.url_previewer": {"level": "ERROR"},
    # Bodies that are not JSON, a login's with its password among them.
    "synapse.http.servlet": {"level": "ERROR"},
    # The keys with which phones are woken.
    "synapse.push": {"level": "ERROR"},
}


def log_config(settings: Settings) -> Options:
    """Python's logging to standard output, which systemd gives to the journal with the time."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "journal": {
                "format": "%(name)s - %(lineno)d - %(levelname)s - %(request)s - %(message)s"
            }
        },
        "handlers": {
            "journal": {
                "class": "logging.StreamHandler",
                "formatter": "journal",
                "stream": "ext://sys.stdout",
            }
        },
        "loggers": _QUIETER,
        "root": {"level": settings.log_level, "handlers": ["journal"]},
    }
