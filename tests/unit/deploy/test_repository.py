"""Our own package from an apt repository instead of a file: what the deploy then does."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from altpeter_matrix.render import apt_options
from altpeter_matrix.settings.model import parse_settings_text
from tasks.base.paths import PACKAGE_KEYRING
from tasks.decide import repositories
from tasks.decide.own_repository import LABEL, ORIGIN, SUITE
from tasks.inventory.target import read_target
from tasks.observe.host_state import digest
from tasks.run.errors import Refused
from tests.unit.deploy.fake_deploy import (
    BARE,
    FINGERPRINT,
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
from tests.unit.deploy.runs import data_with_repository as data

SOURCES = """\
# Our own package's repository, written by the pyinfra deploy.
Types: deb
URIs: https://packages.example.org/matrix
Suites: altpeter
Components: main
Signed-By: /etc/apt/keyrings/altpeter-matrix.gpg
"""


def deploy(data: Mapping[str, Any], responses: Mapping[str, Any], **sections: str) -> Run:
    with fake_state({"host": data}) as state:
        [host] = state.inventory
        answers(host, {**BARE, **sections}, **responses)
        return run(state)


def deploy_again(before: Mapping[str, Any], now: Mapping[str, Any], *, has: str = "0.1.0-1") -> Run:
    """On a host that was deployed as `before`, and then got version `has`."""
    with fake_state({"host": before}) as state:
        [host] = state.inventory
        sections = deployed(host)
        lines = sections["packages"].splitlines()
        lines[-1] = f"altpeter-matrix-config install ok installed {has}"
        sections["packages"] = "\n".join(lines)
    return deploy(now, {}, **sections)


def test_a_bare_host_gets_the_package_from_the_repository() -> None:
    commands = "\n".join(deploy(data(), {}).commands)
    assert "PACKAGES='matrix-synapse-py3 nginx" in commands
    assert " altpeter-matrix-config'" in commands
    assert "PACKAGE_FILE=''" in commands
    steps = ("/.altpeter-matrix.gpg.new", "altpeter-matrix.sources.new", "apt-get -q -y")
    positions = [commands.find(step) for step in steps]
    assert -1 not in positions and positions == sorted(positions)


def test_a_second_run_changes_nothing_even_when_an_update_came_meanwhile() -> None:
    assert deploy_again(data(), data(), has="9.0-1").changed == []


def test_a_wanted_version_is_installed_and_kept_newer_or_older() -> None:
    run = deploy_again(data(), data(version="0.1.0-1"), has="9.0-1")
    assert run.changed == [
        "Keep the wanted version of our package",
        "Install the packages",
        "Make the settings effective",
    ]
    assert any("PACKAGES=altpeter-matrix-config=0.1.0-1" in one for one in run.commands)
    assert any("DOWNGRADE=--allow-downgrades" in one for one in run.commands)
    assert any("\nPACKAGE_VERSION=''\n" in one for one in run.commands), "newer is no problem here"
    kept = data(version="0.1.0-1")
    assert deploy_again(kept, kept).changed == []


def test_going_back_to_a_package_of_our_own_removes_the_repository(tmp_path: Path) -> None:
    own = {"matrix": dict(SETTINGS_DATA), "package": str(package_file(tmp_path))}
    changed = deploy_again(data(), own).changed
    assert "Use our package's repository" in changed
    assert "Trust the key of our package's repository" in changed
    assert "Install the packages" in changed


def test_a_package_that_a_repository_replaced_is_installed_again(tmp_path: Path) -> None:
    """The mark of the file is still there, but the file's version is not."""
    own = {"matrix": dict(SETTINGS_DATA), "package": str(package_file(tmp_path))}
    assert "Install the packages" in deploy_again(own, own, has="0.0.9-1").changed
    assert deploy_again(own, own).changed == []


def test_unattended_upgrades_follows_the_repository_by_what_never_changes() -> None:
    text = apt_options.text(
        parse_settings_text(yaml.safe_dump(dict(SETTINGS_DATA)), source="settings.yaml")
    )
    known = f"origin={ORIGIN},label={LABEL},codename={SUITE}"
    assert f'    "{known}";' in text.splitlines()


def test_the_entry_is_what_apt_reads() -> None:
    with fake_state({"host": data()}) as state:
        [host] = state.inventory
        assert (repositories.own_entry(read_target(host)) or b"").decode() == SOURCES


def test_a_key_with_another_fingerprint_is_refused_before_anything_changes() -> None:
    with fake_state({"host": data(key_fingerprint="0" * 40)}) as state:
        [host] = state.inventory
        answers(host, BARE)
        with pytest.raises(
            Refused,
            match=r"altpeter-matrix\.asc: does not give the host the key 0{40} "
            rf"\(it has the v4 key {FINGERPRINT}\), so what it signs cannot be trusted",
        ):
            run(state)
        assert not any(".new" in command for command in told(host))


def test_an_address_without_the_suite_is_refused() -> None:
    # With Debian's own Synapse there is only this one repository.
    release = BARE["release"].replace("bookworm", "forky")
    with pytest.raises(Refused, match=r"dists/altpeter/InRelease.*package_repository\.uri"):
        deploy(data(), {"/InRelease ": ""}, release=release)


def test_a_second_key_does_not_stay_trusted() -> None:
    two = KEY + KEY[:12] + bytes([KEY[12] ^ 1]) + KEY[13:]
    with fake_state({"host": data()}) as state:
        [host] = state.inventory
        sections = deployed(host)
    sections["files"] = sections["files"].replace(
        f"{digest(KEY)} {PACKAGE_KEYRING}", f"{digest(two)} {PACKAGE_KEYRING}"
    )
    sections["keyrings"] = (
        f"{sections['keyrings'].splitlines()[0]}\n"
        f"{PACKAGE_KEYRING} {base64.b64encode(two).decode()}"
    )
    again = deploy(data(), {}, **sections)
    assert again.changed == ["Trust the key of our package's repository"]
