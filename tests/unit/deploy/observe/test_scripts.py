"""What the scripts find on a host."""

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

from tasks.observe.host_state import HostState
from tasks.observe.observation import Observation
from tasks.observe.observed import BEGIN, END, parse
from tasks.observe.settings_check import SettingsCheck
from tests.unit.deploy.observe.observing import SCRIPTS, told


def test_the_script_prints_what_the_parser_reads(tmp_path: Path) -> None:
    """On any Debian machine, also without root: it only looks."""
    password = tmp_path / "pass word *"
    password.write_text("se'cret\n")
    names = [
        "LOCK_TIMEOUT", "PACKAGES", "PACKAGE_VERSION", "SERVICES", "SRV_LOOKUP", "NAMES",
        "PUBLIC_NAME", "FILES", "KEYRING", "UNITS", "DATABASE", "ADMINISTRATOR",
        "PROFILE_LOOKUP", "SYNAPSE", "ADMINISTRATOR_PASSWORD", "DEFAULT_SITE_MARK", "SMTP_PASSWORD",
    ]  # fmt: skip
    variables = {
        **dict.fromkeys(names, ""),
        "LOCK_TIMEOUT": "0",
        "PACKAGES": "dpkg no-such-package",
        "FILES": f"{password}\n{tmp_path / 'missing'}",
        "SMTP_PASSWORD": str(password),
    }
    command = Observation().command(variables).get_raw_value()
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
        "LOCK_TIMEOUT=0\n" + Observation().command({"SMTP_PASSWORD": str(password)}).get_raw_value()
    )
    result = subprocess.run(
        ["sh", "-c", script], input="se'cret\n", capture_output=True, text=True, check=True
    )
    assert not parse(HostState, result.stdout.splitlines()).smtp_password_same


@pytest.mark.parametrize("opened", [True, False])
def test_who_holds_dpkgs_lock_has_it_open(opened: bool, tmp_path: Path) -> None:
    """The kernel names it by device and inode, of which either may be another file's elsewhere."""
    lock, locks = tmp_path / "lock-frontend", tmp_path / "locks"
    lock.touch()
    row = f"7: POSIX  ADVISORY  WRITE {os.getpid()} 00:2a:{lock.stat().st_ino} 0 EOF"
    locks.write_text(f"{row}\n7: -> {row[3:]}\n")
    head = (SCRIPTS / "observe.sh").read_text()
    for real, fake in (("/var/lib/dpkg/lock-frontend", lock), ("/proc/locks", locks)):
        assert real in head
        head = head.replace(real, str(fake))
    with (lock if opened else locks).open():
        done = subprocess.run(
            ["sh", "-c", f"LOCK_TIMEOUT=0\n{head}\necho yes | tell end"],
            capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    name = Path("/proc/self/comm").read_text().strip()
    assert parse(HostState, done.stdout.splitlines()).lock_holder == (name if opened else None)


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
    found = told("system", "listening", tmp_path, f"ss() {{ cat <<'END'\n{shown}\nEND\n}}")
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


def test_a_program_with_blanks_and_quotes_in_its_name_is_seen(tmp_path: Path) -> None:
    shown = f'LISTEN 0 50 *:443 *:* users:(("tmux: server\\\\c",pid={os.getpid()},fd=10))'
    found = told("system", "listening", tmp_path, f"ss() {{ cat <<'END'\n{shown}\nEND\n}}")
    (listener,) = parse(HostState, [BEGIN, *(f"listening {one}$" for one in found), END]).listening
    assert (listener.port, listener.program) == (443, "tmux: server\\\\c")


def test_the_settings_check_tells_complaints_only() -> None:
    check = SettingsCheck()
    assert check.process(["warning: this; that"]) == []
    assert check.process(["error: a; b", "exit 1"]) == ["error: a; b"]
    assert check.process(["exit 137"]) == ["exit 137"]
