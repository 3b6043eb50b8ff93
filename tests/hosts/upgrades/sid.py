"""A server on Debian unstable, with Debian's own package of Synapse and without pyinfra."""

from functools import cache

import yaml

from tests.hosts.deployments import ADMINISTRATOR_PASSWORD, TOP, Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host

from .states import SETTINGS

NAME = "matrix.sid.test"
PASSWORD = "a-Pass-phrase-for-the-test"
PLACEHOLDER = "/var/lib/altpeter-matrix/placeholder/fullchain.pem"


@cache
def deploy_sid(fleet: Fleet) -> Deployment:
    """Made once per session; `fleet.clone` makes copies of it."""
    settings = {
        "server_name": NAME,
        "administrator": {"username": "admin"},
        # What the lab's server offers may install itself.
        "synapse_repository": {
            "uri": fleet.lab.services.synapse_repository,
            "key_fingerprint": fleet.lab.services.synapse_repository_fingerprint,
        },
    }
    ca_file = fleet.lab.state / "sid.pem"
    host = fleet.made_before("sid")
    if host is not None:
        ca_file.write_text(host.read(PLACEHOLDER))
        host.stop()
    else:
        host = fleet.lab.host("sid", debian="sid", dns=(NAME,))
        _install(host, yaml.safe_dump(settings))
        ca_file.write_text(host.read(PLACEHOLDER))
        fleet.freeze(host)
    return Deployment(host=host, settings=settings, ca_file=ca_file)


def _install(host: Host, settings: str) -> None:
    package = max((TOP / "dist").glob("altpeter-matrix-config_*_all.deb"))
    (host.root / "root" / package.name).write_bytes(package.read_bytes())
    apt = "apt-get -qy </dev/null 2>&1"
    host.sh(
        f"export DEBIAN_FRONTEND=noninteractive; {apt} update; {apt} dist-upgrade;"
        f" {apt} install matrix-synapse postgresql /root/{package.name} unattended-upgrades;"
        " mkdir -p /etc/letsencrypt/renewal-hooks/deploy",
        timeout=1200,
    )
    host.write(SETTINGS, settings)
    host.run("altpeter-matrix", "apply")
    host.write(ADMINISTRATOR_PASSWORD, f"{PASSWORD}\n", mode=0o600)
    host.run(
        "altpeter-matrix", "user", "create", "admin", "--admin", "--password-file",
        ADMINISTRATOR_PASSWORD,
    )  # fmt: skip
