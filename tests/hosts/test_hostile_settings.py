"""Settings that hold everything that some program below treats as special work to the end.

What is refused, and that it is refused at its key, is tried without a host (tests/unit).
"""

import json
import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
import yaml

from tests.hosts.deployments import Deployment
from tests.hosts.lab import Lab
from tests.hosts.probes import assert_healthy, login, request
from tests.hosts.releases import on_one_release

pytestmark = on_one_release

APP_NAME = (
    """ "Ü's" \\ $host ${x} %h %% %(app)s {{ 1 }} {% raw %} ; # * -x @x `id` $(id) <b> & | : [ """
)
SUFFIX = "$host %h {{ 1 }} ; ' ` \\"
NAMES = [
    "a b", "-x", "$host", ";#", "*", "[a]", "ü", "\"'", "{{ 1 }}", "%h", "`id`", "$(id)", "\\",
    "&|>", "@x", "~", "!x", "include",
]  # fmt: skip
DIRECTORY = "/root/a b;$(touch x)'\"\\{{ 1 }} %h #*"
LOCALPARTS = ["a=b-c_d.e/f+g", "0a", "+x", "a--", "-x"]
NOT_LOCALPARTS = ["a b", "a;b", "$x", 'a"b', "*", "ü", "a\nb", "{{x}}", "123", "%h"]


@pytest.fixture(scope="module")
def hostile(victim: Deployment, lab: Lab) -> Iterator[Deployment]:
    host = victim.host
    settings = {
        **victim.settings,
        "email": {
            "smtp_host": lab.services.smtp_host,
            "smtp_port": lab.services.smtp_starttls,
            "security": "starttls",
            "username": lab.services.smtp_user,
            "password_file": f"{DIRECTORY}/mail password",
            "from": "%(app)s <noreply@example.test>",
            "app_name": APP_NAME,
        },
        "updates": {"backup": f"{DIRECTORY}/backup"},
    }
    settings["synapse"] = {**settings["synapse"], "user_agent_suffix": SUFFIX}
    host.write(f"{DIRECTORY}/mail password", f"{lab.services.smtp_password}\n", mode=0o600)
    host.write(f"{DIRECTORY}/backup", "x")
    for number, name in enumerate(NAMES):
        location = f'location = /hostile/{number} {{ return 200 "{number}"; }}\n'
        host.write(f"/etc/altpeter-matrix/nginx.d/{name}.conf", location)
        text = yaml.safe_dump(
            {"user_directory": {"enabled": True}, "password_config": {"enabled": True}}
        )
        host.write(f"/etc/altpeter-matrix/synapse.d/{name}.yaml", text)
    # JSON is YAML; this has no other than what the settings say.
    host.write("/etc/altpeter-matrix/settings.yaml", json.dumps(settings, ensure_ascii=False))
    host.sh("altpeter-matrix apply")
    yield victim


def test_the_server_is_well(hostile: Deployment) -> None:
    assert_healthy(hostile)
    generated = "/etc/matrix-synapse/conf.d/50-altpeter-matrix.yaml"
    found = yaml.safe_load(hostile.host.read(generated))
    assert found["user_agent_suffix"] == SUFFIX
    assert found["email"]["app_name"] == APP_NAME
    assert "Nothing to do" in hostile.host.sh("altpeter-matrix apply").stdout


def test_each_file_of_nginx_d_is_loaded_whatever_its_name(hostile: Deployment) -> None:
    for number in range(len(NAMES)):
        answer = request(hostile, f"/hostile/{number}")
        assert (answer.status, answer.body) == (200, str(number).encode()), NAMES[number]


def test_a_mail_comes_from_who_the_settings_say(hostile: Deployment, lab: Lab) -> None:
    address = f"hostile@{hostile.host.name}.test"
    body = {"client_secret": "abcdefgh", "email": address, "send_attempt": 1}
    answer = request(
        hostile, "/_matrix/client/v3/account/3pid/email/requestToken", method="POST", body=body,
        token=login(hostile), timeout=60,
    )  # fmt: skip
    assert answer.status == 200, answer.body
    mail = arrived(lab, address)
    sender = mail["From"].addresses[0]
    assert sender.addr_spec == "noreply@example.test"
    assert sender.display_name.split() == APP_NAME.split()


def arrived(lab: Lab, address: str) -> EmailMessage:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for mail in lab.services.mails():
            if address in str(mail["To"]):
                return mail
        time.sleep(0.3)
    raise AssertionError(f"no mail for {address}")


@pytest.mark.parametrize("localpart", LOCALPARTS)
def test_an_account_of_any_name_that_matrix_allows_can_log_in(
    hostile: Deployment, localpart: str
) -> None:
    password = "a \"' $x\\ %h `id` ü #;"
    made = hostile.host.run(
        "altpeter-matrix", "user", "create", "--password-file", "-", "--", localpart,
        input=f"{password}\n", check=False,
    )  # fmt: skip
    assert made.returncode == 0, made
    identifier = {"type": "m.id.user", "user": localpart}
    body = {"type": "m.login.password", "identifier": identifier, "password": password}
    answer = request(hostile, "/_matrix/client/v3/login", method="POST", body=body)
    assert answer.status == 200, answer.body
    assert answer.json()["user_id"] == f"@{localpart}:{hostile.server_name}"


def test_no_other_name_makes_an_account(hostile: Deployment) -> None:
    for localpart in NOT_LOCALPARTS:
        made = hostile.host.run(
            "altpeter-matrix", "user", "create", "--password-file", "-", "--", localpart,
            input="a good password\n", check=False,
        )  # fmt: skip
        assert made.returncode != 0, (localpart, made)
        assert "Traceback" not in made.stderr, (localpart, made)
