"""Reading a host: the script, its parser, and the key of the repository."""

import base64
import hashlib
import os
import re
import sqlite3
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import facts, openpgp
from tasks.host_state import Certificate, HostState, Listener, Package
from tasks.observed import BEGIN, END, keys, parse
from tests.unit.deploy.fake_deploy import BARE, FINGERPRINT, KEY, observation

TASKS = Path(facts.__file__).parent


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
    state = parse(HostState, result.stdout.splitlines())
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
    assert not parse(HostState, result.stdout.splitlines()).smtp_password_same


def told(service: str, key: str, root: Path, variables: str = "") -> list[str]:
    """What a service's script prints under a key, on a host whose files are below root."""
    head, body = ((TASKS / name).read_text() for name in ("observe.sh", f"{service}.observe.sh"))
    for top in ("/etc/", "/var/lib/"):
        body = body.replace(top, f"{root}{top}")
    fake = root / "bin/dpkg-query"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ncat {root}/conffiles\n")
    fake.chmod(0o755)
    path = f"PATH={fake.parent}:$PATH LOCK_TIMEOUT=0"
    done = subprocess.run(
        ["sh", "-c", f"{path}\n{variables}\n{head}{body}"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = [
        line.removeprefix(f"{key} ")
        for line in done.stdout.splitlines()
        if line.startswith(f"{key} ")
    ]
    return [line.removesuffix("$").removeprefix(str(root)) for line in lines]


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
    assert [Path(one).name for one in told("adoption", "handmade", tmp_path)] == found


def test_a_program_that_ended_while_its_port_was_looked_at_holds_none(tmp_path: Path) -> None:
    """Synapse restarts: without its unit it would be a foreign python that has to be killed."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    shown = "\n".join(
        f'LISTEN 0 50 127.0.0.1:{port} 0.0.0.0:* users:(("python",pid={pid},fd=10))'
        for port, pid in ((8008, gone.pid), (9000, os.getpid()))
    )
    found = told("preflight", "listening", tmp_path, f"ss() {{ cat <<'END'\n{shown}\nEND\n}}")
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
    assert ("valid" in told("certbot", "certificate", tmp_path, "PUBLIC_NAME=a.org")) is valid


@pytest.mark.parametrize("without", ["begin yes$", END, "$"])
def test_an_observation_that_was_cut_off_is_no_observation(without: str) -> None:
    text = observation(BARE)
    assert parse(HostState, ["Welcome, end yes$", *text.splitlines()]).systemd
    with pytest.raises(ValueError, match=r"is not complete|is no observation"):
        parse(HostState, text.replace(without, "").splitlines())


@pytest.mark.parametrize("line", ["tool settled", "no-such-key yes$", "", "$", "tool$", "## tool"])
def test_what_is_not_in_the_grammar_is_no_observation(line: str) -> None:
    text = observation(BARE).replace(END, f"{line}\n{END}")
    with pytest.raises(ValueError, match="is no observation"):
        parse(HostState, text.splitlines())


def test_each_key_is_printed_and_read() -> None:
    """A new observation is a line that prints it and a field that reads it: none alone."""
    scripts = "".join(file.read_text() for file in TASKS.glob("*observe.sh"))
    printed = set(re.findall(r"\btell ([a-z-]+)", scripts))
    assert printed == keys(HostState) | {"begin"}


HOSTILE = [
    b"\ntool settled$\nend yes$\n",
    b"\x1b[2J\x1b]0;owned\x07\x9b2J\r",
    b"\xff\xfe\xc3(\x00\x80",
    "Grün Ⅷ \u202e\u2028 \\033[2J \\ \\101 $ `id` %s".encode(),
    b"\\ntool settled$ \\c more",
    b"x" * 200_000,
]


@pytest.mark.parametrize("content", HOSTILE, ids=lambda content: repr(content[:20]))
def test_what_a_stranger_wrote_is_one_value_of_its_own_key(content: bytes, tmp_path: Path) -> None:
    """Through the shell, its pipes, and back: as text that can be shown, and nothing else."""
    file = tmp_path / "file"
    file.write_bytes(content)
    head = (TASKS / "observe.sh").read_text()
    body = f'cat {file} | tell server-name\nline "$(tr -d "\\0" <{file})" | tell automatic\n'
    done = subprocess.run(
        ["sh", "-c", f"LOCK_TIMEOUT=0\n{head}{body}echo yes | tell end"],
        capture_output=True, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout.isascii()
    assert set(done.stdout) <= {10, *range(32, 127)}
    state = parse(HostState, done.stdout.decode("ascii").splitlines())
    assert state.server_name == shown(content)[0].strip("'\"")
    # The shell itself cannot hold a NUL.
    assert state.automatic == set(shown(content.replace(b"\0", b"")))
    rest = replace(state, lock_holder=None, server_name=None, automatic=frozenset())
    assert rest == HostState()


def shown(content: bytes) -> list[str]:
    lines = [line.strip() for line in content.decode("utf-8", "replace").split("\n")]
    return ["".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in line)
            for line in lines if line]  # fmt: skip


@given(value=st.text(st.characters(codec="utf-8")), hidden=st.booleans())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_value_comes_as_it_was(value: str, hidden: bool) -> None:
    plain = {byte: chr(byte) for byte in range(32, 127)} | {ord("\\"): r"\\"}
    escaped = "".join(
        f"\\{byte:03o}" if hidden else plain.get(byte, f"\\{byte:03o}") for byte in value.encode()
    )
    (found,) = parse(HostState, [BEGIN, f"automatic {escaped}$", END]).automatic
    assert len(found) == len(value.strip())
    assert all(
        one == was or not was.isprintable() for one, was in zip(found, value.strip(), strict=True)
    )


def test_a_program_with_blanks_and_quotes_in_its_name_is_seen(tmp_path: Path) -> None:
    shown = f'LISTEN 0 50 *:443 *:* users:(("tmux: server\\\\c",pid={os.getpid()},fd=10))'
    found = told("preflight", "listening", tmp_path, f"ss() {{ cat <<'END'\n{shown}\nEND\n}}")
    (listener,) = parse(HostState, [BEGIN, *(f"listening {one}$" for one in found), END]).listening
    assert (listener.port, listener.program) == (443, "tmux: server\\\\c")


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
    state = parse(HostState, observation(sections).splitlines())
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
