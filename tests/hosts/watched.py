"""A server that is watched, and what people were told of it."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host, Lab
from tests.hosts.people import change_settings
from tests.hosts.probes import wait_until_serving

FILES = Path(__file__).parent / "lab/files"
SERVICE = "altpeter-matrix-watch.service"
RECORD = "/var/lib/altpeter-matrix/notify.json"
SMTP_PASSWORD = "/etc/altpeter-matrix/secrets/smtp_password"
TOKEN_FILE = "/etc/altpeter-matrix/secrets/webhook_token"
ADDRESS = "watcher@people.test"
_PORT = 8443
_POSTS = "/srv/posts"


def looked(host: Host, times: int = 2) -> None:
    """So many looks, as the timer would make them, and none while apt or a trial is at work."""
    end = time.monotonic() + 120
    while times:
        host.run("systemctl", "start", SERVICE)
        times -= json.loads(host.read(RECORD))["busy"] == 0
        assert time.monotonic() < end, host.read(RECORD)


def set_up_mail(server: Deployment, lab: Lab, **more: Any) -> None:
    """Mail through the lab's server, as a provider's."""
    services = lab.services
    server.host.write(SMTP_PASSWORD, f"{services.smtp_password}\n", 0o600)
    email = {
        "smtp_host": services.smtp_host, "smtp_port": services.smtp_starttls,
        "security": "starttls", "username": services.smtp_user, "from": "noreply@lab.test",
    }  # fmt: skip
    change_settings(server, email=email, **more)


@dataclass(frozen=True)
class Watched:
    """Tells by mail and by a webhook."""

    server: Deployment
    lab: Lab
    token: str

    @property
    def host(self) -> Host:
        return self.server.host

    def look(self) -> None:
        """What the timer does."""
        looked(self.host, 1)

    def record(self) -> Any:
        return json.loads(self.host.read(RECORD))

    def mails(self) -> list[str]:
        mine = [one for one in self.lab.services.mails() if one["X-Lab-Rcpt-To"] == ADDRESS]
        return [f"{one['Subject']}\n{one.get_content()}" for one in mine]

    def posts(self) -> list[Any]:
        kept = self.lab.services.host.root / _POSTS.lstrip("/")
        return [json.loads(line) for line in kept.read_text().splitlines()]

    def told(self) -> tuple[int, int]:
        return len(self.mails()), len(self.posts())

    def forget(self) -> None:
        self.lab.services.forget_mails()
        self.lab.services.host.write(_POSTS, "")

    def finds(self) -> set[str]:
        said = self.host.run("altpeter-matrix", "status", "--json", check=False).stdout
        return {one["id"] for one in json.loads(said)["findings"]}


@contextmanager
def watched(server: Deployment, lab: Lab) -> Iterator[Watched]:
    """A copy of a server that tells by mail and by a webhook, once it was looked at."""
    token, services = secrets.token_urlsafe(16), lab.services.host
    services.write("/etc/lab/webhook_sink.py", (FILES / "webhook_sink.py").read_text())
    services.write(_POSTS, "")
    services.sh(
        "systemd-run --quiet --collect --unit=lab-webhook python3 /etc/lab/webhook_sink.py"
        f" {_PORT} {_POSTS} /etc/lab/server.pem /etc/lab/server.key {token}"
    )
    server.host.write(TOKEN_FILE, f"{token}\n", 0o600)
    webhook = {"url": f"https://lab.test:{_PORT}/ours", "token_file": TOKEN_FILE}
    set_up_mail(server, lab, notify={"mail": [ADDRESS], "webhook": webhook})
    wait_until_serving(server)
    try:
        yield Watched(server, lab, token)
    finally:
        services.run("systemctl", "stop", "lab-webhook.service", check=False)
