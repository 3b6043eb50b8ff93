"""Reading a host: the script, its parser, and the key of the repository."""

import base64
import subprocess
from pathlib import Path

import pytest

from tasks import facts, openpgp
from tasks.host_state import Certificate, Listener, Package, parse
from tests.unit.fake_deploy import BARE, FINGERPRINT, KEY, observation


def test_the_script_prints_what_the_parser_reads(tmp_path: Path) -> None:
    """On any Debian machine, also without root: it only looks."""
    password = tmp_path / "password"
    password.write_text("se'cret\n")
    names = (
        "LOCK_TIMEOUT PACKAGES PACKAGE_VERSION SERVICES SRV_LOOKUP NAMES PUBLIC_NAME FILES "
        "KEYRING UNITS DATABASE ADMINISTRATOR ADMINISTRATOR_PASSWORD DEFAULT_SITE_MARK "
        "SMTP_PASSWORD"
    ).split()
    variables = {
        **dict.fromkeys(names, ""),
        "LOCK_TIMEOUT": "0",
        "PACKAGES": "dpkg no-such-package",
        "FILES": f"{password} {tmp_path / 'missing'}",
        "SMTP_PASSWORD": str(password),
    }
    command = facts.Observation().command(variables).get_raw_value()
    result = subprocess.run(
        ["sh", "-c", command], input="se'cret\n", capture_output=True, text=True, check=True
    )
    state = parse(result.stdout.splitlines())
    assert state.installed("dpkg")
    assert not state.installed("no-such-package")
    assert list(state.files) == [str(password)]
    assert state.smtp_password_same
    assert state.free_kib


def test_the_script_finds_a_different_password(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("other\n")
    script = (
        "LOCK_TIMEOUT=0\n"
        + facts.Observation().command({"SMTP_PASSWORD": str(password)}).get_raw_value()
    )
    result = subprocess.run(
        ["sh", "-c", script], input="se'cret\n", capture_output=True, text=True, check=True
    )
    assert not parse(result.stdout.splitlines()).smtp_password_same


def test_an_observation_that_was_cut_off_is_no_observation() -> None:
    text = observation({name: value for name, value in BARE.items() if name != "end"})
    with pytest.raises(ValueError, match="not complete"):
        parse(text.splitlines())


def test_values_of_a_deployed_host() -> None:
    sections = {
        **BARE,
        "packages": "nginx install ok installed 1.22.1-9\n"
        "ufw deinstall ok config-files 0.36\n"
        "certbot install reinstreq half-installed 2.1",
        "listening": "8008 python matrix-synapse.service\n22 sshd -",
        "server-name": "'example.org'",
        "certificate": "name Example.org\nvalid\nserver https://acme.example.org/dir",
        "ufw-live": "-N ufw-user-input\n"
        "-A ufw-user-input -p tcp -m tcp --dport 443 -j ACCEPT\n"
        "-A ufw-user-input -p tcp -m tcp --dport 22 -m conntrack -j ufw-user-limit-accept\n"
        "-A ufw-user-input -p tcp -m tcp --dport 25 -j DROP",
    }
    state = parse(observation(sections).splitlines())
    assert state.packages["nginx"] == Package("installed", "1.22.1-9", False)
    assert "ufw" not in state.packages
    assert state.unfinished == ("certbot",)
    assert state.listening[0] == Listener(8008, "python", "matrix-synapse.service")
    assert state.server_name == "example.org"
    assert state.certificate == Certificate(
        frozenset({"example.org"}), True, "https://acme.example.org/dir"
    )
    assert state.firewall.live_ports == {"443/tcp", "22/tcp"}


def test_the_settings_check_tells_complaints_only() -> None:
    check = facts.SettingsCheck()
    assert check.process(["warning: this; that"]) == []
    assert check.process(["error: a; b", "exit 1"]) == ["error: a; b"]
    assert check.process(["exit 137"]) == ["exit 137"]


def armoured(data: bytes) -> bytes:
    body = base64.encodebytes(data).decode()
    return (
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: a key\n\n"
        f"{body}=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    ).encode()


@pytest.mark.parametrize("keyring", [KEY, armoured(KEY)], ids=["binary", "armoured"])
def test_a_key_is_known_by_its_fingerprint(keyring: bytes) -> None:
    assert openpgp.key_with_fingerprint(keyring, FINGERPRINT) == KEY


def test_other_keys_of_a_keyring_are_left_out() -> None:
    other = KEY[:12] + bytes([KEY[12] ^ 1]) + KEY[13:]
    signature = b"\xc2\x03abc"
    keyring = other + signature + KEY + signature + other + signature
    assert openpgp.key_with_fingerprint(keyring, FINGERPRINT) == KEY + signature


@pytest.mark.parametrize(
    "keyring", [b"", b"<html>not found</html>", KEY[:-1], KEY[:-1] + b"x"], ids=repr
)
def test_anything_else_is_no_such_key(keyring: bytes) -> None:
    assert openpgp.key_with_fingerprint(keyring, FINGERPRINT) is None
