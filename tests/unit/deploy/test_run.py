"""deploy.py as a whole, on hosts that only record what they are told."""

import base64
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.hiddenvalue import HiddenValue

from altpeter_matrix.settings.model import parse_settings_text
from tasks.errors import Refused
from tasks.files import digest
from tasks.paths import KEYRING
from tasks.target import read_target
from tests.unit.deploy.fake_deploy import (
    ADDRESS,
    BARE,
    KEY,
    SETTINGS_DATA,
    Run,
    answers,
    deployed,
    fake_state,
    package_file,
    run,
    told,
)

PASSWORD = "correct horse'; battery"
WITH_MAIL: Mapping[str, Any] = {
    **SETTINGS_DATA,
    "email": {
        "smtp_host": "mail.example.org",
        "username": "matrix",
        "from": "Matrix <matrix@example.org>",
    },
}


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    """A host's data in the inventory."""
    return {"matrix": dict(SETTINGS_DATA), "package": str(package_file(tmp_path))}


def deploy_bare(data: Mapping[str, Any], *, yes: bool = True, **sections: str) -> Run:
    with fake_state({"bare": data}, yes=yes) as state:
        for host in state.inventory:
            answers(host, {**BARE, **sections})
        return run(state, execute=yes)


def deploy_again(data: Mapping[str, Any], *, yes: bool = True, **sections: str) -> Run:
    """On a host where everything is in order but for these sections."""
    with fake_state({"deployed": data}, yes=yes) as state:
        for host in state.inventory:
            answers(host, {**deployed(host), **sections})
        return run(state, execute=yes)


def deploy_changed(data: Mapping[str, Any], *, responses: Any = None, **changes: Any) -> Run:
    """On a host that is as `data` want it, after these changes of its settings."""
    with fake_state({"deployed": data}) as state:
        [host] = state.inventory
        before = deployed(host)
    changed = {**data, "matrix": {**data["matrix"], **changes}}
    with fake_state({"deployed": changed}) as state:
        [host] = state.inventory
        names = "\n".join(f"{name} {ADDRESS}" for name in changed["matrix"].get("aliases", ()))
        answers(host, {**before, "names": f"{BARE['names']}\n{names}"}, **(responses or {}))
        return run(state)


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


def test_settings_that_the_host_refuses_stop_the_run(data: dict[str, Any]) -> None:
    complaint = "error: nginx: mine.conf is broken; correct it\nexit 1"
    with pytest.raises(Refused, match=r"nginx: mine\.conf is broken"):
        deploy_changed(data, responses={"altpeter-matrix check": complaint}, presence=False)


def test_a_new_alias_gets_into_the_certificate(data: dict[str, Any]) -> None:
    commands = deploy_changed(data, aliases=["chat.example.org"]).commands
    [certbot] = [command for command in commands if "certbot certonly" in command]
    assert "-d chat.example.org" in certbot
    assert "--renew-with-new-domains" in certbot


def test_another_authority_issues_anew(data: dict[str, Any]) -> None:
    other = {"directory": "https://acme.example.org/directory"}
    commands = deploy_changed(data, certificates=other).commands
    assert any("certbot certonly" in c and "--force-renewal" in c for c in commands)


def test_one_bad_host_stops_the_run_before_any_is_touched(data: dict[str, Any]) -> None:
    bad = {**data, "matrix": {"server_nam": "example.org"}}
    with fake_state({"good": data, "bad": bad}) as state:
        for host in state.inventory:
            answers(host, BARE)
        with pytest.raises(Refused, match=r"server_nam.*@fake/bad"):
            run(state)
        assert [told(host) for host in state.inventory] == [[], []]


def test_problems_of_all_hosts_are_shown_together(data: dict[str, Any]) -> None:
    with fake_state({"one": data, "two": data}) as state:
        for host in state.inventory:
            answers(host, {**BARE, "systemd": ""})
        with pytest.raises(Refused) as refused:
            run(state)
    assert {problem.where.partition(":")[0] for problem in refused.value.problems} == {
        "@fake/one", "@fake/two",
    }  # fmt: skip


def test_a_key_with_another_fingerprint_is_refused(data: dict[str, Any]) -> None:
    data["matrix"]["synapse_repository"] = {"key_fingerprint": "0" * 40}
    with pytest.raises(Refused, match="does not give the host the key 0000"):
        deploy_bare(data)


def test_a_repository_without_the_release_is_refused(data: dict[str, Any]) -> None:
    with fake_state({"bare": data}) as state:
        [host] = state.inventory
        answers(host, BARE, **{"/InRelease ": ""})
        with pytest.raises(Refused, match=r"dists/bookworm/InRelease.*synapse_repository\.uri"):
            run(state)


def test_a_second_key_does_not_stay_trusted(data: dict[str, Any]) -> None:
    two = KEY + KEY[:12] + bytes([KEY[12] ^ 1]) + KEY[13:]
    with fake_state({"deployed": data}) as state:
        [host] = state.inventory
        files = deployed(host)["files"].replace(digest(KEY), digest(two))
    again = deploy_again(data, keyrings=f"{KEYRING} {base64.b64encode(two).decode()}", files=files)
    assert again.changed == ["Trust the key of Synapse's repository"]


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


def test_a_mail_password_in_plain_text_is_refused(data: dict[str, Any]) -> None:
    data |= {"matrix": dict(WITH_MAIL), "smtp_password": PASSWORD}
    with pytest.raises(Refused, match="smtp_password_file") as refused:
        deploy_bare(data)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\r\n\r\n"])
def test_a_password_file_of_any_system_says_the_password(
    data: dict[str, Any], tmp_path: Path, mark: bytes, end: bytes
) -> None:
    file = tmp_path / "smtp password"
    file.write_bytes(mark + PASSWORD.encode() + end)
    data |= {"matrix": dict(WITH_MAIL), "smtp_password_file": str(file)}
    with fake_state({"bare": data}) as state:
        [host] = state.inventory
        assert read_target(host).smtp_password == PASSWORD


def test_a_password_file_of_two_lines_is_refused(data: dict[str, Any], tmp_path: Path) -> None:
    for text in ("one\ntwo\n", "one\rtwo", "\n"):
        (tmp_path / "password").write_bytes(text.encode())
        data |= {"matrix": dict(WITH_MAIL), "smtp_password_file": str(tmp_path / "password")}
        with pytest.raises(Refused, match="is not one line of text"):
            deploy_bare(data)


def test_settings_in_python_go_to_the_host_as_they_are_meant(data: dict[str, Any]) -> None:
    """Tuples, and texts of a subclass, have no way to be written in YAML."""

    class Text(str):
        pass

    data["matrix"] = {**data["matrix"], "aliases": (Text("b.example.org"),)}
    with fake_state({"bare": data}) as state:
        [host] = state.inventory
        found = parse_settings_text(read_target(host).settings_text, source="settings.yaml")
    assert found.aliases == ("b.example.org",)


def test_settings_in_python_that_yaml_cannot_say_are_refused(data: dict[str, Any]) -> None:
    data["matrix"] = {**data["matrix"], "synapse": {"pid_file": Path("/run/x")}}
    with pytest.raises(Refused, match=r"synapse\.pid_file .*: is a PosixPath, .*; write /run/x"):
        deploy_bare(data)


def test_a_host_without_settings_is_refused(data: dict[str, Any]) -> None:
    del data["matrix"]
    with pytest.raises(Refused, match="has no settings; put it into a group"):
        deploy_bare(data)


def test_a_missing_package_names_the_command_that_builds_it(data: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="make deb"):
        deploy_bare({**data, "package": "dist/altpeter-matrix-config_9_all.deb"})


def test_unstable_debian_takes_its_own_synapse(data: dict[str, Any]) -> None:
    release = BARE["release"].replace("bookworm", "forky")
    first = deploy_bare(data, release=release)
    assert "Use Synapse's repository" not in first.changed
    assert any("PACKAGES='matrix-synapse nginx" in command for command in first.commands)


def adopting(data: Mapping[str, Any], said: str) -> Run:
    """On a host with a server that was set up by hand, whose rehearsal says this."""
    with fake_state({"old": {**data, "adopt": True}}) as state:
        [host] = state.inventory
        sections = {
            **deployed(host),
            "packages": "matrix-synapse-py3 install ok installed 1",
            "files": "",
            "tool": "",
            "nginx-default": "enabled",
            "handmade": "/etc/matrix-synapse/homeserver.yaml",
            "other-sources": "alone /etc/apt/sources.list.d/matrix.list",
        }
        answers(host, sections, **{"adopt.rehearsal": said})
        return run(state)


def test_a_server_set_up_by_hand_is_adopted_between_installation_and_apply(
    data: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    commands = adopting(data, "example.org can be adopted.\nexit 0").commands
    steps = ("mv -T /etc/apt/sources.list.d/matrix.list", "matrix-org.sources.new", "REPAIR=no",
             "altpeter-matrix adopt", "altpeter-matrix apply")  # fmt: skip
    looking = ("adopt.rehearsal", "tell database")
    text = "\n".join(one for one in commands if not any(word in one for word in looking))
    places = [text.index(step) for step in steps]
    assert places == sorted(places)
    assert "certbot certonly" not in text and "sites-enabled/default &&" not in text
    assert "can be adopted" in capsys.readouterr().err


def test_what_cannot_be_carried_stops_the_deploy_before_its_first_operation(
    data: dict[str, Any],
) -> None:
    said = "error: settings.yaml: aliases: lacks a.example; add it\nexit 1"
    with pytest.raises(Refused, match=r"aliases: lacks a\.example; add it"):
        adopting(data, said)


def test_a_rehearsal_that_breaks_is_no_consent(data: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="ModuleNotFoundError"):
        adopting(data, "ModuleNotFoundError: No module named 'jinja2'\nexit 1")
