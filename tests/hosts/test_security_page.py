"""docs/security.md: each secret is changed with the page's own commands, and the server goes on."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.pages import commands
from tests.hosts.people import homeserver_of, new_account
from tests.hosts.probes import assert_healthy, login, request, wait_until_serving

SECRETS = "/etc/altpeter-matrix/secrets"
GENERATED = ("macaroon_secret_key", "form_secret", "registration_shared_secret")
WHO_AM_I = "/_matrix/client/v3/account/whoami"


@pytest.fixture(scope="module")
def server(debian12: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    """The one that sends mail. One release is enough: the commands meet Synapse and certbot."""
    made = clone(debian12, "secrets", dns=True)
    wait_until_serving(made)
    return made


def keys(server: Deployment) -> Any:
    return request(server, "/_matrix/key/v2/server", port=8448).json()


def test_the_signing_key_is_changed_and_the_old_one_named(server: Deployment) -> None:
    (old,) = keys(server)["verify_keys"].items()
    server.host.sh(commands("security.md", "Change the signing key"))
    wait_until_serving(server)
    after = keys(server)
    assert old[0] not in after["verify_keys"] and len(after["verify_keys"]) == 1
    assert after["old_verify_keys"][old[0]]["key"] == old[1]["key"]
    assert after["old_verify_keys"][old[0]]["expired_ts"] > 1_700_000_000_000
    assert_healthy(server)


def test_synapses_other_secrets_are_changed_and_nobody_is_logged_out(server: Deployment) -> None:
    token = login(server)
    before = {name: server.host.read(f"{SECRETS}/{name}") for name in GENERATED}
    server.host.sh(commands("security.md", "Change Synapse's other secrets"))
    wait_until_serving(server)
    after = {name: server.host.read(f"{SECRETS}/{name}") for name in GENERATED}
    assert not set(before.values()) & set(after.values())
    assert request(server, WHO_AM_I, token=token).status == 200
    assert new_account(server, "made-with-the-new-secret").login()
    assert_healthy(server)


def test_the_mail_accounts_password_is_changed(server: Deployment) -> None:
    told = commands("security.md", "Change the mail account's password")
    server.host.sh(told, input="another-password")
    wait_until_serving(server)
    current = "/etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"
    assert "smtp_pass: another-password" in server.host.read(current)
    old = server.host.sh(f"grep -l only-for-the-lab {current} {SECRETS}/*", check=False)
    assert old.stdout == ""


def test_the_tls_key_is_changed(server: Deployment) -> None:
    # Who issued a certificate can revoke it; the server may have been deployed in another lab.
    renew = "certbot renew --quiet --force-renewal --no-random-sleep-on-renew --cert-name"
    server.host.sh(f"{renew} {server.public_name}")
    before = server.host.read(f"/etc/letsencrypt/live/{server.public_name}/privkey.pem")
    served = request(server).certificate["serialNumber"]
    told = commands("security.md", "Change the TLS key")
    server.host.sh(told.replace("NAME", server.public_name))
    assert server.host.read(f"/etc/letsencrypt/live/{server.public_name}/privkey.pem") != before
    assert request(server).certificate["serialNumber"] != served
    assert_healthy(server)


def test_an_administrator_resets_a_password_and_ends_all_sessions(server: Deployment) -> None:
    person = new_account(server, "taken-over")
    token = person.login()
    admin = login(server)
    answer = server.host.run("python3", "-c", RESET, input=f"{admin}\n{person.user_id}\n").stdout
    assert answer.strip() == "200"
    assert request(server, WHO_AM_I, token=token).status == 401
    assert homeserver_of(server).login(person.localpart, "an-entirely-new-Pass-1")


RESET = """
import json, sys, urllib.request
token, user = sys.stdin.read().split()
request = urllib.request.Request(
    "http://127.0.0.1:8008/_synapse/admin/v1/reset_password/" + user,
    data=json.dumps({"new_password": "an-entirely-new-Pass-1", "logout_devices": True}).encode(),
    headers={"Authorization": "Bearer " + token},
)
print(urllib.request.urlopen(request, timeout=60).status)
"""
