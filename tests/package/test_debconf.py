"""The one question of the package: asked only where nothing else tells the server name."""

import re
import shlex

import pytest

from tests.package.chroots import FINGERPRINT, INSTALL, Chroot

PACKAGE = "altpeter-matrix-config"
SETTINGS = "/etc/altpeter-matrix/settings.yaml"
# What does not differ between releases is tried on one.
on_one_release = pytest.mark.parametrize("debian", ["13"], indirect=True)
ENGLISH, GERMAN = "Name of the Matrix server:", "Name des Matrix-Servers:"
# As after somebody left Synapse's question empty, or installed it without one.
NAMELESS = """
echo "server_name: ''" > /etc/matrix-synapse/conf.d/server_name.yaml
echo 'SET matrix-synapse/server-name' | debconf-communicate matrix-synapse-py3
"""
FQDN = "box.fqdn.test"
# Chroots have the name of the machine that the tests run on.
WITH_FQDN = f'sed "1i 127.0.1.1 {FQDN} $(hostname)" /etc/hosts > /tmp/h; cp /tmp/h /etc/hosts\n'
WITHOUT_FQDN = 'echo "127.0.0.1 localhost $(hostname)" > /etc/hosts\n'


def at_terminal(command: str, *lines: str, language: str = "C.UTF-8") -> str:
    """A script in which a person types these lines at a terminal."""
    typed = shlex.quote("".join(f"{line}\n" for line in lines))
    inside = f"unset LC_ALL; export LANG={language} TERM=xterm DEBIAN_FRONTEND=readline; {command}"
    return f"printf '%s' {typed} | script -qec {shlex.quote(inside)} /dev/null\n"


def settings_name(chroot: Chroot) -> str:
    shown = chroot.run(f"sed -n 's/^server_name: //p' {SETTINGS}")
    return shown.strip()


def synapses_name(chroot: Chroot) -> str:
    shown = chroot.run("sed -n 's/^server_name: //p' /etc/matrix-synapse/conf.d/server_name.yaml")
    return shown.strip()


@pytest.mark.parametrize(
    ("language", "question", "warning"),
    [
        ("C.UTF-8", ENGLISH, "It can never be changed"),
        ("de_DE.UTF-8", GERMAN, "nie mehr geändert werden"),
    ],
    ids=["English", "German"],
)
def test_without_a_name_a_person_is_asked_in_their_language(
    before: Chroot, language: str, question: str, warning: str
) -> None:
    before.run(NAMELESS)
    said = before.run(at_terminal(INSTALL, "typed.example.org", language=language))
    assert question in said and warning in re.sub(r"\s+", " ", said)
    assert settings_name(before) == "typed.example.org"
    assert synapses_name(before) == "typed.example.org"


@on_one_release
def test_the_name_of_the_host_is_offered(before: Chroot) -> None:
    before.run(NAMELESS)
    said = before.run(WITH_FQDN + at_terminal(INSTALL, ""))
    assert FQDN in said
    assert settings_name(before) == FQDN


@on_one_release
def test_what_cannot_be_a_name_is_asked_again(before: Chroot) -> None:
    before.run(NAMELESS)
    said = before.run(WITHOUT_FQDN + at_terminal(INSTALL, "my server!", "good.example.org"))
    assert "Invalid server name" in said
    assert settings_name(before) == "good.example.org"


@on_one_release
def test_with_a_synapse_that_has_a_name_nobody_is_asked(before: Chroot) -> None:
    said = before.run(at_terminal(INSTALL))
    assert ENGLISH not in said
    assert settings_name(before) == "example.org"


@on_one_release
def test_with_settings_nobody_is_asked(before: Chroot) -> None:
    before.run(f"{NAMELESS}mkdir /etc/altpeter-matrix; echo 'server_name: set.org' > {SETTINGS}")
    said = before.run(at_terminal(INSTALL))
    assert ENGLISH not in said
    assert (settings_name(before), synapses_name(before)) == ("set.org", "set.org")


@on_one_release
@pytest.mark.parametrize("command", [INSTALL, f"dpkg-reconfigure -plow {PACKAGE}"])
def test_on_an_installed_host_nothing_is_asked_and_nothing_changes(
    system: Chroot, command: str
) -> None:
    before = system.run(FINGERPRINT)
    said = system.run(at_terminal(command) + at_terminal(command))
    assert ENGLISH not in said
    assert system.run(FINGERPRINT) == before


@on_one_release
@pytest.mark.parametrize(
    ("known", "name"),
    [
        ("", "example.org"),
        (NAMELESS, "preseeded.example.org"),
    ],
    ids=["existing server", "preseed"],
)
def test_without_a_person_the_existing_server_comes_before_the_preseed(
    before: Chroot, known: str, name: str
) -> None:
    answer = f"{PACKAGE} {PACKAGE}/server-name string preseeded.example.org"
    before.run(f"{WITH_FQDN}{known}echo {answer} | debconf-set-selections\n{INSTALL}")
    assert settings_name(before) == name


@on_one_release
def test_without_a_person_and_a_preseed_it_is_the_name_of_the_host(before: Chroot) -> None:
    before.run(f"{WITH_FQDN}{NAMELESS}{INSTALL}")
    assert settings_name(before) == FQDN


@on_one_release
def test_without_any_name_the_package_is_installed_and_says_what_to_do(before: Chroot) -> None:
    said = before.run(f"{WITHOUT_FQDN}{NAMELESS}{INSTALL}dpkg --audit")
    assert "altpeter-matrix init --server-name" in said
    assert before.run(f"ls {SETTINGS} 2>/dev/null || echo none").strip() == "none"
    # Configured once more, for instance after the next upgrade, it asks again.
    said = before.run(at_terminal(f"dpkg-reconfigure {PACKAGE}", "late.example.org"))
    assert ENGLISH in said
    assert settings_name(before) == "late.example.org"


@on_one_release
def test_purge_forgets_the_answer(system: Chroot) -> None:
    said = system.run(f"dpkg --purge {PACKAGE}")
    assert said.count("are still there") == 1, "debconf has the script run twice"
    assert system.run(f"debconf-show {PACKAGE}") == ""
