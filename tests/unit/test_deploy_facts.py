"""Reading a host: the script, its parser, and the key of the repository."""

import base64
import hashlib
import os
import sqlite3
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tasks import facts, openpgp
from tasks.host_state import Certificate, Listener, Package, parse
from tests.unit.fake_deploy import BARE, FINGERPRINT, KEY, observation


def test_the_script_prints_what_the_parser_reads(tmp_path: Path) -> None:
    """On any Debian machine, also without root: it only looks."""
    password = tmp_path / "pass word *"
    password.write_text("se'cret\n")
    names = [
        "LOCK_TIMEOUT", "PACKAGES", "PACKAGE_VERSION", "SERVICES", "SRV_LOOKUP", "NAMES",
        "PUBLIC_NAME", "FILES", "KEYRING", "UNITS", "DATABASE", "ADMINISTRATOR",
        "ADMINISTRATOR_PASSWORD", "DEFAULT_SITE_MARK", "SMTP_PASSWORD",
    ]  # fmt: skip
    variables = {
        **dict.fromkeys(names, ""),
        "LOCK_TIMEOUT": "0",
        "PACKAGES": "dpkg no-such-package",
        "FILES": f"{password}\n{tmp_path / 'missing'}",
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


def section(name: str, root: Path, variables: str = "") -> list[str]:
    """What a section of the script prints on a host whose files are below root."""
    text = Path(facts.__file__).with_name("host_state.sh").read_text()
    head = text.partition("# After a deploy")[0]
    body = text.partition(f"section {name}\n")[2].partition("\nsection ")[0]
    for top in ("/etc/", "/var/lib/"):
        body = body.replace(top, f"{root}{top}")
    fake = root / "bin/dpkg-query"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ncat {root}/conffiles\n")
    fake.chmod(0o755)
    path = f"PATH={fake.parent}:$PATH"
    done = subprocess.run(
        ["sh", "-c", f"{path}\n{variables}\n{head}{body}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line.removeprefix(str(root)) for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ({}, []),
        ({"etc/matrix-synapse/homeserver.yaml": "edited"}, ["homeserver.yaml"]),
        ({"etc/matrix-synapse/conf.d/own.yaml": "a: 1"}, ["own.yaml"]),
        ({"var/lib/altpeter-matrix/adoption.json": '{"state": "unfinished"}'}, ["adoption.json"]),
        ({"var/lib/altpeter-matrix/adoption.json": '{"state": "undone"}'}, []),
        ({"users": "1"}, ["homeserver.db"]),
        ({"users": "0"}, []),
        ({"users": "1", "etc/matrix-synapse/conf.d/own.yaml": "database: {name: psycopg2}"},
         ["own.yaml"]),
    ],
)  # fmt: skip
def test_only_a_server_that_was_set_up_by_hand_is_taken_for_one(
    made: dict[str, str], found: list[str], tmp_path: Path
) -> None:
    pristine = {
        "etc/matrix-synapse/homeserver.yaml": "pid_file: a\n",
        "etc/matrix-synapse/conf.d/server_name.yaml": "# Of the package.\nserver_name: a.org\n",
        "etc/matrix-synapse/conf.d/report_stats.yaml": "report_stats: false\n",
        "var/lib/matrix-synapse/homeserver.db": "",
    }
    digest = hashlib.md5(pristine["etc/matrix-synapse/homeserver.yaml"].encode()).hexdigest()
    conffile = f" {tmp_path}/etc/matrix-synapse/homeserver.yaml {digest}\n"
    (tmp_path / "conffiles").write_text(conffile)
    for name, text in {**pristine, **made}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    if "users" in made:
        with sqlite3.connect(tmp_path / "var/lib/matrix-synapse/homeserver.db") as database:
            database.execute("create table users (name)")
            database.executemany("insert into users values (?)", [("a",)] * int(made["users"]))
    assert [Path(one).name for one in section("handmade", tmp_path)] == found


def test_a_program_that_ended_while_its_port_was_looked_at_holds_none(tmp_path: Path) -> None:
    """Synapse restarts: without its unit it would be a foreign python that has to be killed."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    shown = "\n".join(
        f'LISTEN 0 50 127.0.0.1:{port} 0.0.0.0:* users:(("python",pid={pid},fd=10))'
        for port, pid in ((8008, gone.pid), (9000, os.getpid()))
    )
    found = section("listening", tmp_path, f"ss() {{ cat <<'END'\n{shown}\nEND\n}}")
    assert [line.split()[:2] for line in found] == [["9000", "python"]]


@pytest.mark.parametrize(("days", "valid"), [(-1, False), (30, True)])
def test_a_certificate_that_has_expired_is_not_valid(
    days: int, valid: bool, tmp_path: Path
) -> None:
    live = tmp_path / "etc/letsencrypt/live/a.org"
    live.mkdir(parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a.org")])
    until = datetime.now(UTC) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(until - timedelta(days=90))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    (live / "fullchain.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    assert ("valid" in section("certificate", tmp_path, "PUBLIC_NAME=a.org")) is valid


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
