"""deploy.py as a whole, on hosts that only record what they are told."""

import base64
import logging
import re
from typing import Any

import pytest
from pyinfra.api.hiddenvalue import HiddenValue

from altpeter_matrix.settings.model import parse_settings_text
from tasks.base.paths import KEYRING
from tasks.inventory.target import read_target
from tasks.observe.host_state import digest
from tests.unit.deploy.fake_deploy import (
    BARE,
    KEY,
    answers,
    deployed,
    fake_state,
    run,
)
from tests.unit.deploy.runs import (
    PASSWORD,
    WITH_MAIL,
    data,
    deploy_again,
    deploy_bare,
    deploy_changed,
)

__all__ = ["data"]


def test_a_bare_host_gets_everything_in_order(data: dict[str, Any]) -> None:
    commands = "\n".join(deploy_bare(data).commands[4:])  # after four that only look
    steps = (
        "matrix-org-archive-keyring.gpg.new", "matrix-org.sources.new", "settings.yaml.new",
        "debconf-set-selections", "REPAIR=no", "altpeter-matrix apply\n",
        "sites-enabled/default", "ufw allow 22/tcp", "ufw --force enable", "certbot certonly",
        "user create --admin",
    )  # fmt: skip
    positions = [commands.find(step) for step in steps]
    assert -1 not in positions
    assert positions == sorted(positions)


def test_one_transaction_installs_all_packages(data: dict[str, Any]) -> None:
    installs = [c for c in deploy_bare(data).commands if "apt-get" in c]
    assert len(installs) == 1
    assert re.search(
        r"^PACKAGES='matrix-synapse-py3 nginx postgresql .*'$", installs[0], re.MULTILINE
    )
    assert "PACKAGE_FILE=/var/lib/altpeter-matrix/deploy/altpeter-matrix-config_" in installs[0]


@pytest.mark.parametrize("yes", [True, False], ids=["run", "dry"])
def test_a_second_run_changes_nothing(data: dict[str, Any], yes: bool) -> None:
    data |= {"matrix": dict(WITH_MAIL), "smtp_password": HiddenValue(PASSWORD)}
    assert deploy_again(data, yes=yes).changed == []


def test_a_second_run_takes_two_commands(data: dict[str, Any]) -> None:
    assert len(deploy_again(data).commands) == 2


@pytest.mark.parametrize(
    ("sections", "operation"),
    [
        ({"tool": "unsettled"}, "Make the settings effective"),
        ({"nginx-default": ""}, "Disable the default site of nginx"),
        ({"ufw-live": ""}, "Close all ports but the wanted ones"),
        ({"certificate": ""}, "Have a certificate for the names"),
        ({"units": "systemd-timesyncd.service disabled"}, "Keep the clock right"),
        ({"database": "locale C C UTF8\nusers"}, "Make the administrator's account"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_a_killed_run_left_undone_is_done(
    data: dict[str, Any], sections: dict[str, str], operation: str
) -> None:
    assert deploy_again(data, yes=True, **sections).changed == [operation]


def test_unfinished_packages_are_finished(data: dict[str, Any]) -> None:
    again = deploy_again(data, interrupted="The following packages are only half configured")
    assert again.changed == [
        "Install the packages",
        "Make the settings effective",
    ]
    assert any("REPAIR=yes" in command for command in again.commands)


def test_changed_settings_are_applied_and_the_old_file_is_kept(data: dict[str, Any]) -> None:
    changed = deploy_changed(data, presence=False)
    assert changed.changed == ["Write the settings", "Make the settings effective"]
    assert any("cp -p /etc/altpeter-matrix/settings.yaml" in c for c in changed.commands)


def test_a_new_alias_gets_into_the_certificate(data: dict[str, Any]) -> None:
    commands = deploy_changed(data, aliases=["chat.example.org"]).commands
    [certbot] = [command for command in commands if "certbot certonly" in command]
    assert "-d chat.example.org" in certbot
    assert "--renew-with-new-domains" in certbot


def test_another_authority_issues_anew(data: dict[str, Any]) -> None:
    other = {"directory": "https://acme.example.org/directory"}
    commands = deploy_changed(data, certificates=other).commands
    assert any("certbot certonly" in c and "--force-renewal" in c for c in commands)


def test_a_second_key_does_not_stay_trusted(data: dict[str, Any]) -> None:
    two = KEY + KEY[:12] + bytes([KEY[12] ^ 1]) + KEY[13:]
    with fake_state({"deployed": data}) as state:
        [host] = state.inventory
        files = deployed(host)["files"].replace(digest(KEY), digest(two))
    again = deploy_again(data, keyrings=f"{KEYRING} {base64.b64encode(two).decode()}", files=files)
    assert again.changed == ["Trust the key of Synapse's repository"]


def test_settings_in_python_go_to_the_host_as_they_are_meant(data: dict[str, Any]) -> None:
    """Tuples, and texts of a subclass, have no way to be written in YAML."""

    class Text(str):
        pass

    data["matrix"] = {**data["matrix"], "aliases": (Text("b.example.org"),)}
    with fake_state({"bare": data}) as state:
        [host] = state.inventory
        found = parse_settings_text(read_target(host).settings_text, source="settings.yaml")
    assert found.aliases == ("b.example.org",)


def test_unstable_debian_takes_its_own_synapse(data: dict[str, Any]) -> None:
    release = BARE["release"].replace("bookworm", "forky")
    first = deploy_bare(data, release=release)
    assert "Use Synapse's repository" not in first.changed
    assert any("PACKAGES='matrix-synapse nginx" in command for command in first.commands)


def test_the_mail_password_is_nowhere_to_be_seen(
    data: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    data |= {"matrix": dict(WITH_MAIL), "smtp_password": HiddenValue(PASSWORD)}
    with caplog.at_level(logging.DEBUG), fake_state({"bare": data}) as state:
        [host] = state.inventory
        answers(host, BARE)
        first = run(state)
        seen = "\n".join([*first.commands, caplog.text, repr(state.ops), repr(state.op_meta)])
    assert any("smtp_password.new" in command for command in first.commands)
    assert PASSWORD not in seen
    assert PASSWORD.rpartition(" ")[2] not in seen
