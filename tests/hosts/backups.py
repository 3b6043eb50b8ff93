"""A server with a backup, for tests."""

import json
from typing import Any

from tests.hosts import status
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.people import change_settings
from tests.hosts.probes import wait_until_serving

PLACE = "/srv/backup/matrix"
PASSWORD = "/etc/altpeter-matrix/secrets/backup_password"
TIMERS = ("altpeter-matrix-backup.timer", "altpeter-matrix-drill.timer")
LATER = "[Timer]\nOnCalendar=\nOnCalendar=2099-01-01\n"
# What makes a server's identity, what its users have, and what it is configured with.
LOSS = """
systemctl stop matrix-synapse
rm -rf /var/lib/matrix-synapse/media/* /etc/matrix-synapse/*.signing.key
rm -rf /etc/altpeter-matrix/settings.yaml /etc/altpeter-matrix/secrets
runuser -u postgres -- psql --quiet synapse --command='drop table events cascade'
"""


def backed_up_to(deployment: Deployment, place: str = PLACE, **more: Any) -> None:
    """Have backups go to a place, as the administrator of an `apt install` would."""
    host = deployment.host
    host.sh("DEBIAN_FRONTEND=noninteractive apt-get -qy install restic </dev/null", timeout=600)
    if place.startswith("/"):
        host.run("install", "--directory", "--mode=0700", place)
    # They would begin one whenever half an hour is over.
    for timer in TIMERS:
        host.write(f"/run/systemd/system/{timer}.d/later.conf", LATER)
    host.sh(f"systemctl daemon-reload; systemctl restart {' '.join(TIMERS)}")
    change_settings(deployment, backup={"to": place, **more})


def tool(host: Host, *words: str, check: bool = True) -> str:
    """All that the command says."""
    done = host.run("altpeter-matrix", *words, check=check, timeout=900)
    return f"{done.stdout}{done.stderr}"


def restic(host: Host, *words: str) -> str:
    """restic itself, asked by the administrator."""
    return host.run(
        "restic", "--repo", PLACE, "--password-file", PASSWORD, "--no-cache", *words
    ).stdout


def faults(host: Host) -> dict[str, str]:
    """What `status` calls an error or a warning, by the fault's ID. On a busy machine some of it
    may not be known in time, which is another matter."""
    found = json.loads(status.status_of(host, "--json").stdout)
    return {
        one["id"]: str(one["problem"])
        for one in found["findings"]
        if one["severity"] in {"error", "warning"}
    }


def assert_well(deployment: Deployment) -> None:
    """It serves, and nothing is wrong with it, warnings included."""
    status.assert_well(deployment.host)
    found = faults(deployment.host)
    assert not found, found
    wait_until_serving(deployment)
