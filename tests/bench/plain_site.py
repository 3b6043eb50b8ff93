"""Other nginx sites on a deployed host, in the place of ours or beside it, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.hosts.lab import Host, LabError

from .deploying import SERVER_NAME

SITE = "/var/lib/altpeter-matrix/current/nginx/site.conf"
ENABLED = "/etc/nginx/sites-enabled/altpeter-matrix"
BESIDE = "/etc/nginx/sites-enabled/bench"
WITHOUT_DRAIN = "/etc/systemd/system/matrix-synapse.service.d/90-plain.conf"

# The wiki page that this project replaces, as far as it concerns clients.
WIKI = f"""
server {{
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name {SERVER_NAME};
    ssl_certificate /etc/letsencrypt/live/{SERVER_NAME}/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/{SERVER_NAME}/privkey.pem;
    client_max_body_size 2G;
    location /_matrix {{
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header Host $host;
        proxy_pass http://localhost:8008;
    }}
}}
"""


def without_hold(site: str) -> str:
    """Our site less everything that holds requests: what else there is stays the same."""
    changes = {
        r"\n *if \(-e [^)]*\) \{\n *return 502;\n *\}": "",
        r"\n *error_page 502 = \$altpeter_matrix_hold;": "",
        r"\n *proxy_next_upstream off;": "",
        r"\n *proxy_bind [^;]*;": "",
        r"proxy_pass http://\$altpeter_matrix_upstream;": "proxy_pass http://altpeter_matrix_read;",
    }
    for pattern, replacement in changes.items():
        site, number = re.subn(pattern, replacement, site)
        if number == 0:
            raise LabError(f"our site has no {pattern!r} any more")
    return site


def under_name(site: str, name: str) -> str:
    """The same site for another server name, such that one nginx can load both."""
    label = name.partition(".")[0]
    # Whoever names nobody is answered by ours already.
    site, strangers = re.subn(
        r"^server \{\n.*?^\}\n", "", site, count=1, flags=re.MULTILINE | re.DOTALL
    )
    site, known = re.subn(r'("~\^000 \[\^ \]\+ )[^"]*"', rf'\1{re.escape(name)}$"', site)
    if not strangers or not known:
        raise LabError("our site knows its names in another way now")
    site = re.sub(r"\bserver_name [^;]*;", f"server_name {name};", site)
    # The names of variables, upstreams and the TLS cache belong to the whole nginx.
    return site.replace("altpeter_matrix_", f"{label}_")


@contextmanager
def beside_ours(host: Host, text: str) -> Iterator[None]:
    """Serve more sites, from the same worker processes."""
    host.write(BESIDE, text)
    _load(host)
    try:
        yield
    finally:
        host.run("rm", BESIDE)
        _load(host)


@contextmanager
def other_site(host: Host, text: str) -> Iterator[None]:
    """Serve another site, and let Synapse stop without our drain."""
    host.write("/root/plain.conf", text)
    host.sh(f"ln -sf /root/plain.conf {ENABLED}")
    host.write(WITHOUT_DRAIN, "[Service]\nExecStop=\nExecStartPost=\n")
    _load(host)
    try:
        yield
    finally:
        host.sh(f"ln -sf ../sites-available/altpeter-matrix {ENABLED}; rm {WITHOUT_DRAIN}")
        _load(host)


def _load(host: Host) -> None:
    """A restart, so that no old worker goes on serving what was before."""
    host.sh("chmod 755 /root; nginx -t 2>&1; systemctl daemon-reload; systemctl restart nginx")
