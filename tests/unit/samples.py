"""Settings and facts that the unit tests begin with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from altpeter_matrix.host.facts import Certificate, HostFacts, Synapse
from altpeter_matrix.settings.model import Settings, parse_settings_text

PLACEHOLDER = Certificate(
    fullchain=Path("/var/lib/altpeter-matrix/placeholder/fullchain.pem"),
    private_key=Path("/var/lib/altpeter-matrix/placeholder/privkey.pem"),
    placeholder=True,
)
DEBIAN_12 = HostFacts(
    nginx_version=(1, 22, 1),
    openssl_version=(3, 0, 17),
    synapse=Synapse(
        package="matrix-synapse-py3",
        version="1.163.2",
        python=Path("/opt/venvs/matrix-synapse/bin/python"),
        group="matrix-synapse",
        server_name="example.org",
    ),
    processors=2,
    ipv6=True,
    certificate=PLACEHOLDER,
)
DEBIAN_13 = replace(DEBIAN_12, nginx_version=(1, 26, 3), openssl_version=(3, 5, 1))

# The server that the wiki page describes.
WIKI = """
server_name: matrix.altpeter.me
aliases: [altpeter.me]
report_stats: true
well_known: {identity_server: "https://vector.im"}
uploads: {max_size: 2G}
email:
  smtp_host: smtp.eu.mailgun.org
  username: synapse@mail.altpeter.me
  from: Synapse on matrix.altpeter.me <noreply@mail.altpeter.me>
"""
DELEGATED = "server_name: example.org\npublic_name: matrix.example.org\n"


def settings(text: str = DELEGATED) -> Settings:
    return parse_settings_text(text, source="settings.yaml")


def facts(**changes: Any) -> HostFacts:
    return replace(DEBIAN_12, **changes)
