"""The server of the wiki page, set up by hand on a bare host, step by step."""

import secrets
import shutil
from dataclasses import dataclass
from typing import Any

from tests.clients.accounts import Account
from tests.clients.homeserver import Homeserver
from tests.hosts.deployments import TOP
from tests.hosts.lab import Host, Lab
from tests.hosts.probes import connect

CODENAMES = {"12": "bookworm", "13": "trixie"}
SERVER_NAME, ALIAS = "matrix.altpeter.me", "altpeter.me"
HOMESERVER = "/etc/matrix-synapse/homeserver.yaml"
DATABASE_PASSWORD = "pw-of-the-role-matrix"
REGISTRATION_SECRET = "registration-secret-of-old"
SECRETS = (DATABASE_PASSWORD, REGISTRATION_SECRET)
PROMPT = "this server was set up by hand"

DATABASE = f"""\
database:
  name: psycopg2
  args:
    user: matrix
    password: {DATABASE_PASSWORD}
    database: synapse
    host: 127.0.0.1
    cp_min: 5
    cp_max: 10
"""
SQLITE = """\
database:
  name: sqlite3
  args:
    database: /var/lib/matrix-synapse/homeserver.db
"""
ADDED = f"""\
suppress_key_server_warning: true
registration_shared_secret: "{REGISTRATION_SECRET}"
# The test's clients log in often.
rc_login:
  address: {{per_second: 100, burst_count: 1000}}
  account: {{per_second: 100, burst_count: 1000}}

# email:
#     enable_notifs: true
#     smtp_host: "smtp.eu.mailgun.org"
#     smtp_pass: "pass"
"""
# A text editor's work: the section of the database is replaced, lines are added.
EDIT = r"""
import pathlib, re, sys
path = pathlib.Path("/etc/matrix-synapse/homeserver.yaml")
text = re.sub(r"^database:\n(?:[ ].*\n)+", lambda _: sys.argv[1], path.read_text(), flags=re.M)
path.write_text(text + sys.argv[2])
"""

PROXIED = """
                proxy_set_header X-Forwarded-For $remote_addr;
                proxy_set_header X-Forwarded-Proto $scheme;
                proxy_set_header Host $host;
                proxy_pass http://localhost:8008;"""
TLS = """
        ssl_certificate /etc/letsencrypt/live/altpeter.me/fullchain.pem;
        ssl_certificate_key /etc/letsencrypt/live/altpeter.me/privkey.pem;
        ssl_trusted_certificate /etc/letsencrypt/live/altpeter.me/fullchain.pem;
"""
CLIENT = (
    '{"m.homeserver": {"base_url": "https://matrix.altpeter.me"},'
    '"m.identity_server": {"base_url": "https://vector.im"}}'
)
SITE = f"""\
server {{
        listen 80;
        listen [::]:80;
        server_name altpeter.me;
        return 301 https://$server_name$request_uri;
}}

server {{
        listen 443 ssl http2;
        listen [::]:443 ssl http2;
        server_name matrix.altpeter.me;
{TLS}
        client_max_body_size 2G;

        location /_matrix {{{PROXIED}
        }}

        location /.well-known/matrix/server {{
                return 200 '{{"m.server": "matrix.altpeter.me:443"}}';
                add_header Content-Type application/json;
        }}
        location /.well-known/matrix/client {{
                return 200 '{CLIENT}';
                add_header Content-Type application/json;
                add_header "Access-Control-Allow-Origin" *;
        }}
}}

server {{
        listen 8448 ssl default_server;
        listen [::]:8448 ssl default_server;
        server_name altpeter.me;
{TLS}
        location / {{{PROXIED}
        }}
}}
"""

WAIT_FOR_BACKGROUND_UPDATES = """
import sqlite3, time
database = sqlite3.connect("file:/var/lib/matrix-synapse/homeserver.db?mode=ro", uri=True)
while database.execute("select count(*) from background_updates").fetchone()[0]:
    time.sleep(0.5)
"""


@dataclass(frozen=True)
class Handmade:
    """A server that was set up by hand."""

    host: Host
    lab: Lab

    @property
    def homeserver(self) -> Homeserver:
        return Homeserver(SERVER_NAME, SERVER_NAME, self.host.ipv4, self.lab.ca_file)

    def account(self, name: str) -> Account:
        """A new user, made as the wiki page does."""
        account = Account(self.homeserver, name, secrets.token_hex(12))
        self.host.run(
            "register_new_matrix_user", "-c", HOMESERVER, "-u", name, "-p", account.password,
            "--no-admin", "http://localhost:8008",
        )  # fmt: skip
        return account

    def upload(self, token: str, content: bytes) -> str:
        """The path that the new media is downloaded from."""
        uploaded = self.homeserver.request(
            "POST", "/_matrix/media/v3/upload?filename=a", token=token, body=content,
            headers={"Content-Type": "text/plain"},
        )  # fmt: skip
        media = uploaded.expect(200).json["content_uri"].removeprefix("mxc://")
        return f"/_matrix/client/v1/media/download/{media}"

    def shows(self, token: str, media: str) -> dict[str, Any]:
        """What has to stay the same, as a device and another server see it."""
        ask = self.homeserver.request
        user = ask("GET", "/_matrix/client/v3/account/whoami", token=token).expect(200).json
        devices = ask("GET", "/_matrix/client/v3/devices", token=token).expect(200).json["devices"]
        return {
            "user": user,
            "devices": sorted(one["device_id"] for one in devices),
            "media": ask("GET", media, token=token).expect(200).body,
            "keys": ask("GET", "/_matrix/key/v2/server").expect(200).json["verify_keys"],
            "certificate": self.certificate(),
            "client": ask("GET", "/.well-known/matrix/client").expect(200).json,
        }

    def certificate(self) -> bytes:
        """The one that is served."""
        found = connect(self.host.ipv4, SERVER_NAME, None).sock.getpeercert(binary_form=True)
        assert found
        return found

    def told(self, *said: str, secrets: tuple[str, ...] = SECRETS) -> list[str]:
        """Which secrets are in what was printed, or in the host's log since it booted."""
        everything = [*said, self.host.run("journalctl", "-b", "--no-pager").stdout]
        return [secret for secret in secrets if any(secret in text for text in everything)]

    def install_package(self, *, timeout: float = 300) -> str:
        """`apt install` of this package as a script does it; what it printed."""
        package = max((TOP / "dist").glob("altpeter-matrix-config_*_all.deb"))
        (self.host.root / "root" / package.name).write_bytes(package.read_bytes())
        return self.host.sh(
            "DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "
            f"/root/{package.name} </dev/null 2>&1",
            timeout=timeout,
        ).stdout

    def stay_on_sqlite(self) -> None:
        """As a server whose administrator did not read on to the section on PostgreSQL."""
        self.host.sh("systemctl stop matrix-synapse; runuser -u postgres -- dropdb synapse")
        self.host.run("python3", "-c", EDIT, SQLITE, "")
        self.host.run("systemctl", "start", "matrix-synapse")
        self.wait_until_synapse_answers()
        # A server of some age is through with them, and `adopt` refuses one that is not.
        self.host.run("python3", "-c", WAIT_FOR_BACKGROUND_UPDATES)

    def wait_until_synapse_answers(self) -> None:
        self.host.sh(
            "for _ in $(seq 300); do curl -fs http://localhost:8008/health && exit 0; sleep 0.2; "
            "done; journalctl -u matrix-synapse -n 40 --no-pager >&2; exit 1"
        )


def agreeing(lab: Lab, server_name: str = SERVER_NAME, alias: str = ALIAS) -> dict[str, Any]:
    """Settings that say of such a server what is so."""
    return {
        "server_name": server_name,
        "aliases": [alias],
        "well_known": {"identity_server": "https://vector.im"},
        "certificates": {"directory": lab.services.acme_directory},
        "synapse_repository": {
            "uri": lab.services.synapse_repository,
            "key_fingerprint": lab.services.synapse_repository_fingerprint,
        },
    }


def set_up(lab: Lab, name: str, debian: str) -> Handmade:
    """Everything that the page says, in its order; `certbot` talks to the lab's ACME server."""
    host = lab.host(name, debian=debian, dns=(SERVER_NAME, ALIAS))
    server = Handmade(host, lab)
    keyring = "/usr/share/keyrings/matrix-org-archive-keyring.gpg"
    shutil.copyfile(lab.services.synapse_keyring, host.root / keyring.lstrip("/"))
    host.write(
        "/etc/apt/sources.list.d/matrix-org.list",
        f"deb [signed-by={keyring}] {lab.services.synapse_repository} {CODENAMES[debian]} main\n",
    )
    package = "matrix-synapse-py3"
    host.sh(
        "debconf-set-selections",
        input=f"{package} matrix-synapse/server-name string {SERVER_NAME}\n"
        f"{package} matrix-synapse/report-stats boolean false\n",
    )
    host.sh(
        "export DEBIAN_FRONTEND=noninteractive; apt-get -q update; "
        "apt-get -q -y install matrix-synapse-py3 nginx certbot python3-certbot-nginx postgresql "
        "python3-psycopg2 ufw curl unattended-upgrades </dev/null 2>&1",
        timeout=900,
    )
    # Its first start is on SQLite, as on the page.
    server.wait_until_synapse_answers()
    host.sh(f"echo 'enable_registration: false' >>{HOMESERVER}; systemctl restart matrix-synapse")
    host.sh(
        "certbot --nginx --non-interactive --agree-tos --register-unsafely-without-email "
        f"--server {lab.services.acme_directory} -d {ALIAS} -d {SERVER_NAME} 2>&1 || "
        # It finds no site with these names to put the certificate into yet.
        f"test -e /etc/letsencrypt/live/{ALIAS}/fullchain.pem"
    )
    host.write("/etc/nginx/sites-available/matrix", SITE)
    host.sh(
        "ln -s /etc/nginx/sites-available/matrix /etc/nginx/sites-enabled/; "
        "rm /etc/nginx/sites-enabled/default; nginx -t; systemctl restart nginx"
    )
    host.run(
        "runuser", "-u", "postgres", "--", "psql", "-q",
        input=f"CREATE USER \"matrix\" WITH PASSWORD '{DATABASE_PASSWORD}';\n"
        "CREATE DATABASE synapse ENCODING 'UTF8' LC_COLLATE='C' LC_CTYPE='C' "
        'template=template0 OWNER "matrix";\n',
    )  # fmt: skip
    host.run("python3", "-c", EDIT, DATABASE, ADDED)
    host.sh(
        "systemctl restart matrix-synapse; for port in ssh http https 8448; do "
        "ufw allow $port; done; ufw --force enable"
    )
    server.wait_until_synapse_answers()
    return server
