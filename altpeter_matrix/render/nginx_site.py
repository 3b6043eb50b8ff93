"""The nginx site, from files/nginx/site.conf.j2."""

import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from ..base.paths import Paths
from ..base.resources import resource
from ..bridge.after_start import SOCKETS
from ..bridge.before_stop import HELD, WRITE_SOURCE
from ..host.facts import HostFacts, Version
from ..settings.model import Settings

if TYPE_CHECKING:
    from jinja2 import Template

# Mozilla's server-side TLS guideline 6.0, "intermediate".
CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
CURVES = "X25519:prime256v1:secp384r1"
# nginx refuses to start on a curve that its OpenSSL does not know.
POST_QUANTUM_CURVE = "X25519MLKEM768"
POST_QUANTUM_SINCE: Version = (3, 5)

HTTP2_DIRECTIVE_SINCE: Version = (1, 25, 1)
# From here on nginx changes the keys of session tickets by itself.
SESSION_TICKETS_SINCE: Version = (1, 23, 2)
OLDEST_NGINX: Version = (1, 22, 1)  # Debian 12

# Synapse takes bodies of this size whatever max_upload_size says: 200 events of 64 KiB
# (synapse.api.constants.MAX_REQUEST_SIZE). A smaller limit here would break federation.
SYNAPSE_LEAST_BODY = 200 * 65536

# nginx hashes literal names; a longer one does not fit into the bucket of one cache line, and the
# bucket's size is a setting of the whole nginx, not ours to set.
LONGEST_HASHED_NAME = 40

# nginx reads a parameter, its quotes included, into 4096 bytes (NGX_CONF_BUFFER).
LONGEST_PATTERN = 3500

# Of a request's first line and headers together Synapse reads so much (Twisted's HTTPChannel) and
# answers more with a bare 400. The rest is left to the headers, of which nginx adds some.
SYNAPSE_LONGEST_HEAD = 16384
LONGEST_ADDRESS = 14000

# Seconds that a request waits for Synapse. Clients and other servers give up after 60 to 80.
LONGEST_HOLD = 90

# Requests for Synapse that nginx has open at a time, each on two of the connections that one worker
# process has (nginx/main_file.CONNECTIONS), even if one process got them all: the rest is for what
# needs no Synapse.
MOST_REQUESTS = 12000
# Of one address. Behind one may be a whole campus, or another proxy.
MOST_REQUESTS_OF_ADDRESS = 2000
# And while Synapse is away: a large office.
MOST_HELD_OF_ADDRESS = 300
# Large bodies that nginx keeps on the disk at a time: as many as fit into this, within reason.
BODIES_ON_DISK = 8 * 1024**3
FEWEST_BODIES, MOST_BODIES = 32, 256


def site(settings: Settings, facts: HostFacts, well_known_documents: tuple[str, ...]) -> str:
    """The text of the site for this host's nginx and OpenSSL."""
    nginx = facts.nginx_version or OLDEST_NGINX
    post_quantum = facts.openssl_version >= POST_QUANTUM_SINCE
    paths = Paths()
    return _template().render(
        names=[_server_name(name) for name in settings.certificate_names],
        names_patterns=_patterns(settings.certificate_names),
        # Other servers ask for the server name also where another web server answers for it.
        known_names_patterns=_patterns(
            dict.fromkeys((*settings.certificate_names, settings.server_name))
        ),
        public_name=settings.public_name,
        ipv6=facts.ipv6,
        port_8448=settings.federation.port_8448,
        http2_directive=nginx >= HTTP2_DIRECTIVE_SINCE,
        session_tickets=nginx >= SESSION_TICKETS_SINCE,
        certificate=facts.certificate,
        ciphers=CIPHERS,
        curves=f"{POST_QUANTUM_CURVE}:{CURVES}" if post_quantum else CURVES,
        synapse_port=settings.listener.port,
        held=HELD,
        hold_sockets=SOCKETS,
        most_requests=MOST_REQUESTS,
        most_requests_of_address=MOST_REQUESTS_OF_ADDRESS,
        most_held_of_address=MOST_HELD_OF_ADDRESS,
        most_bodies=most_bodies(settings),
        most_bodies_of_address=most_bodies(settings) // 4,
        longest_hold=LONGEST_HOLD,
        write_source=WRITE_SOURCE,
        body_limit=body_limit(settings),
        synapse_head=SYNAPSE_LONGEST_HEAD,
        longest_address=LONGEST_ADDRESS,
        well_known_documents=well_known_documents,
        current=paths.current,
        acme_webroot=paths.acme_webroot,
    )


@cache
def _template() -> "Template":
    # Imported here because `apply` with nothing to do must not pay for it.
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    # It makes no HTML; what the settings may hold is restricted by their formats.
    return Environment(  # nosec B701
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    ).from_string(resource("nginx/site.conf.j2").read_text(encoding="utf-8"))


def body_limit(settings: Settings) -> int:
    """The largest body in bytes: exactly what Synapse takes.

    One byte more and nginx answers 413 in JSON; Synapse itself breaks the connection instead of
    answering (SynapseRequest.handleContentChunk), which a client would see as 502.
    """
    return max(settings.uploads.max_size, SYNAPSE_LEAST_BODY)


def _patterns(names: Iterable[str]) -> list[str]:
    """Alternatives for a regular expression, in as many as fit into a parameter of nginx each."""
    patterns: list[str] = []
    for name in map(re.escape, names):
        if patterns and len(patterns[-1]) + len(name) < LONGEST_PATTERN:
            patterns[-1] += f"|{name}"
        else:
            patterns.append(name)
    return patterns


def most_bodies(settings: Settings) -> int:
    """How many large bodies nginx takes at a time."""
    return min(max(FEWEST_BODIES, BODIES_ON_DISK // body_limit(settings)), MOST_BODIES)


def _server_name(name: str) -> str:
    return name if len(name) <= LONGEST_HASHED_NAME else f'"~^{re.escape(name)}$"'
