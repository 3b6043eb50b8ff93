"""The host that plays the outside world: DNS, ACME server, Synapse's repository, mail."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from contextlib import suppress
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from . import repository, synapse_deb
from .authority import authority
from .controller import resolvers
from .dns import Zone
from .errors import LabError
from .host import Host
from .identity import split_pem
from .images import base_image, cached
from .layers import run_in_layer
from .layout import CACHE, RELEASES, recipe_key
from .progress import step

FILES = Path(__file__).parent / "files"
PACKAGES = ("curl", "dnsmasq-base", "gnupg", "nginx-light", "pebble", "python3-aiosmtpd")
# The signing key belongs to this layer, so it is the same for all runs.
INSTALL = f"""
apt-get update
apt-get install -y --no-install-recommends {" ".join(PACKAGES)}
apt-get clean
rm -f /etc/nginx/sites-enabled/default
mkdir -p /srv/www/debian /var/mail-sink
gpg --batch --quiet --passphrase '' --quick-generate-key 'Lab repository' ed25519 sign never
gpg --batch --export > /srv/www/debian/{repository.KEYRING}
gpg --batch --list-keys --with-colons | sed -n '/^fpr:/{{s/^fpr:*//;s/:$//p;q}}' > /srv/fingerprint
gpgconf --kill all
"""
# After a refused signature apt keeps the next InRelease with the time it was fetched at, not the
# server's, so within that second "not modified" would hide a newer one.
NGINX = """
server {
    if_modified_since off;
    types { }
    default_type application/octet-stream;
    listen 80 default_server;
    listen [::]:80 default_server;
    root /srv/www;
    autoindex on;
}
"""
PEBBLE = {
    "pebble": {
        "listenAddress": "[::]:14000",
        "managementListenAddress": "[::]:15000",
        "certificate": "/etc/lab/server.pem",
        "privateKey": "/etc/lab/server.key",
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        "certificateValidityPeriod": 90 * 24 * 3600,
    }
}
SMTP_USER, SMTP_PASSWORD = "synapse@lab.test", "only-for-the-lab"
UNIT = """
[Unit]
Description=Lab: {what}
After=network.target
# The name server is restarted for every change of a record.
StartLimitIntervalSec=0

[Service]
ExecStart={command}
Environment={environment}
Restart=always
RestartSec=0.2

[Install]
WantedBy=multi-user.target
"""
UNITS = {
    "lab-dns": ("name server", "/usr/sbin/dnsmasq --keep-in-foreground -C /etc/lab/dns.conf", ""),
    "lab-acme": (
        "ACME server",
        "/usr/bin/pebble -config /etc/lab/pebble.json -dnsserver 127.0.0.1:53",
        "PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0",
    ),
    "lab-mail": (
        "mail sink",
        "/usr/bin/python3 /etc/lab/mail_sink.py /var/mail-sink"
        f" /etc/lab/server.pem /etc/lab/server.key {SMTP_USER} {SMTP_PASSWORD}",
        "",
    ),
}


def services_layers(debian: str) -> list[Path]:
    """Return the layers of a services host on that release, topmost first."""
    suite, base = RELEASES[debian].codename, base_image(debian)

    def make(target: Path) -> None:
        with step(f"packages of the services host, on Debian {debian}"):
            log = CACHE / f"services-{suite}.log"
            run_in_layer([base], target / "upper", INSTALL, log=log)

    layer = cached(f"services-{suite}", recipe_key(base.name, INSTALL), make) / "upper"
    return [layer, base]


# Has an ACME server that knows nothing of certbot's accounts make them anew, with the same keys.
INTRODUCE = """
import json, sys
from pathlib import Path
import josepy
from acme import client, errors, messages

for found in Path("/etc/letsencrypt/accounts").rglob("regr.json"):
    key = josepy.JWK.json_loads(found.with_name("private_key.json").read_text())
    store = "/etc/ssl/certs/ca-certificates.crt"
    network = client.ClientNetwork(key, verify_ssl=store)
    directory = client.ClientV2.get_directory(sys.argv[1], network)
    order = messages.NewRegistration(terms_of_service_agreed=True)
    try:
        account = client.ClientV2(directory, network).new_account(order).uri
    except errors.ConflictError as known:  # another clone was here
        account = known.location
    found.write_text(json.dumps({"body": {}, "uri": account}))
"""


class Services:
    """The services host, once it runs."""

    smtp_host = "mail.lab.test"
    smtp_plain, smtp_starttls, smtp_tls = 25, 587, 465
    smtp_user, smtp_password = SMTP_USER, SMTP_PASSWORD
    acme_directory = "https://acme.lab.test:14000/dir"
    synapse_repository = "http://packages.lab.test/debian"
    synapse_keyring_url = f"{synapse_repository}/{repository.KEYRING}"

    def __init__(self, host: Host, zone: Zone, ca_file: Path) -> None:
        self.host = host
        self.zone = zone
        # What everybody must trust, once the ACME server has said what its root is.
        self.ca_file = ca_file
        self.ca_pem = ""

    def prepare(self) -> None:
        """Write the services' configuration into the mounted root, before the first boot."""
        etc = self.host.root / "etc"
        lab = etc / "lab"
        lab.mkdir(mode=0o755)
        certificates = authority()
        for source in (certificates.certificate, certificates.key):
            (lab / source.name).write_bytes(source.read_bytes())
        (lab / "mail_sink.py").write_text((FILES / "mail_sink.py").read_text())
        (lab / "pebble.json").write_text(json.dumps(PEBBLE, indent=2))
        (lab / "dns.conf").write_text(self.zone.render(resolvers()))
        (etc / "nginx/conf.d/lab.conf").write_text(NGINX)
        wants = etc / "systemd/system/multi-user.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        for name, (what, command, environment) in UNITS.items():
            unit = etc / f"systemd/system/{name}.service"
            unit.write_text(UNIT.format(what=what, command=command, environment=environment))
            (wants / unit.name).symlink_to(f"/etc/systemd/system/{unit.name}")

    @property
    def synapse_repository_fingerprint(self) -> str:
        return (self.host.root / "srv/fingerprint").read_text().strip()

    @property
    def synapse_keyring(self) -> Path:
        """The repository's key, on the controller."""
        return self.host.root / "srv/www/debian" / repository.KEYRING

    def update_dns(self) -> None:
        """Make the zone's present state what everybody is answered."""
        configuration, text = self.host.root / "etc/lab/dns.conf", self.zone.render(resolvers())
        if configuration.read_text() == text:
            return
        configuration.write_text(text)
        self.host.run("systemctl", "restart", "lab-dns.service")
        self.host.sh(
            "for _ in $(seq 50); do getent -s dns ahostsv4 lab.test && exit 0; sleep 0.1; done; "
            "echo 'the name server does not answer' >&2; exit 1"
        )

    def issuing_root(self) -> str:
        """Return pebble's present root certificate (a new one each time pebble starts)."""
        context = ssl.create_default_context(cafile=str(authority().root))
        # The certificate names the host, and this connection goes to its address.
        context.check_hostname = False
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(OSError, http.client.HTTPException):
                link = http.client.HTTPSConnection(self.host.ipv4, 15000, context=context)
                link.request("GET", "/roots/0")
                answer = link.getresponse()
                if answer.status == http.client.OK:
                    return answer.read().decode()
            time.sleep(0.1)
        raise LabError("the ACME server does not answer on port 15000")

    def introduce(self, host: Host, met: str) -> None:
        """Let a clone go on with its ACME account, if it met other ACME servers only."""
        accounts = host.root / "etc/letsencrypt/accounts"
        known = set(split_pem(self.issuing_root())) <= set(split_pem(met))
        if not known and any(accounts.rglob("regr.json")):
            host.run("python3", "-", self.acme_directory, input=INTRODUCE)

    def publish_synapse(self, *versions: str, debian: str | None = None) -> None:
        """List these versions of Synapse (default: all), for one release or for all."""
        wanted = versions or synapse_deb.VERSIONS
        for release in [debian] if debian else synapse_deb.SUPPORTED:
            files = [synapse_deb.package(release, version) for version in wanted]
            root = self.host.root / "srv/www/debian"
            repository.publish(root, RELEASES[release].codename, files, self._sign)

    def mails(self) -> list[EmailMessage]:
        """Return every mail received, oldest first."""
        files = sorted((self.host.root / "var/mail-sink").glob("*.eml"))
        parse = BytesParser(EmailMessage, policy=policy.default)
        return [parse.parsebytes(path.read_bytes()) for path in files]

    def forget_mails(self) -> None:
        """Remove all mails received so far."""
        for path in (self.host.root / "var/mail-sink").glob("*.eml"):
            path.unlink()

    def _sign(self, release: str) -> str:
        return self.host.run("gpg", "--batch", "--clearsign", input=release).stdout
