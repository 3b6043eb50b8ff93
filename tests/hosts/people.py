"""Users of a deployed server, and what its administrator does for them."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from tests.clients.accounts import Account, create_account
from tests.clients.homeserver import Homeserver
from tests.hosts.deployments import Deployment

SETTINGS = "/etc/altpeter-matrix/settings.yaml"
# The admin API is on loopback only, so the administrator's calls are made on the host.
ADMIN_CALL = """
import json, sys, urllib.request
call = json.load(sys.stdin)
request = urllib.request.Request(
    "http://127.0.0.1:8008" + call["path"],
    method=call["method"],
    data=json.dumps(call["body"]).encode() if call["body"] is not None else None,
    headers={"Authorization": "Bearer " + call["token"], "Content-Type": "application/json"},
)
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""


def homeserver_of(deployment: Deployment) -> Homeserver:
    """The deployed server as clients know it."""
    return Homeserver(
        deployment.server_name,
        deployment.public_name,
        deployment.host.ipv4,
        deployment.ca_file,
    )


def new_account(deployment: Deployment, name: str) -> Account:
    """A new user of the server, made by its administrator."""
    return create_account(deployment.host, homeserver_of(deployment), name)


def administrator(deployment: Deployment) -> Account:
    """The administrator whom the deploy made."""
    return Account(
        homeserver_of(deployment),
        deployment.administrator.partition(":")[0].removeprefix("@"),
        deployment.administrator_password,
    )


def call_admin_api(
    deployment: Deployment,
    token: str,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
) -> Any:
    """Call Synapse's admin API over the host's loopback interface."""
    call = json.dumps({"token": token, "method": method, "path": path, "body": body})
    return json.loads(deployment.host.run("python3", "-c", ADMIN_CALL, input=call).stdout)


def change_settings(deployment: Deployment, **sections: Mapping[str, Any]) -> None:
    """Edit the settings on the host as its administrator would, and apply them."""
    settings = yaml.safe_load(deployment.host.read(SETTINGS))
    for name, keys in sections.items():
        settings[name] = {**(settings.get(name) or {}), **keys}
    deployment.host.write(SETTINGS, yaml.safe_dump(settings))
    deployment.host.run("altpeter-matrix", "apply")


def bytes_of(size: str) -> int:
    """A size as settings have it, ``5M``, in bytes; worked out apart from the product."""
    return int(size[:-1]) * {"K": 1024, "M": 1024**2, "G": 1024**3}[size[-1]]
