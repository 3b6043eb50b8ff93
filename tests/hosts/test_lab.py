"""The lab itself: hosts boot, the outside world answers, and nothing is left behind."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .lab import (
    CommandError,
    Host,
    Lab,
    LabError,
    LabUnavailable,
    Scarce,
    cgroups,
    kernel,
    machine,
    require,
)
from .lab.commands import run
from .lab.layout import LAB, RELEASES, ROOT
from .lab.ledger import Ledger

TOOLS = "apt-get -qq update && apt-get -qq install -y --no-install-recommends"


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Iterator[dict[str, Host]]:
    """A bare host of every release."""
    made = {release: lab.host(f"bare{release}", debian=release) for release in RELEASES}
    yield made
    for host in made.values():
        lab.discard(host)


@pytest.fixture(scope="module")
def equipped(hosts: dict[str, Host]) -> Host:
    """A host with the tools to ask the outside world."""
    host = hosts["12"]
    host.sh(f"{TOOLS} curl dnsutils certbot")
    return host


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_boots_to_running_with_both_address_families(
    hosts: dict[str, Host], release: str
) -> None:
    host = hosts[release]
    assert host.run("systemctl", "is-system-running").stdout.strip() == "running"
    codename = RELEASES[release].codename
    expected = "forky" if release == "sid" else codename
    assert f"VERSION_CODENAME={expected}" in host.read("/etc/os-release")
    addresses = host.run("ip", "-brief", "address", "show", "dev", "host0").stdout
    assert host.ipv4 in addresses and host.ipv6 in addresses


@pytest.mark.parametrize("release", RELEASES)
def test_apt_takes_debian_from_the_controllers_mirror(hosts: dict[str, Host], release: str) -> None:
    hosts[release].run("apt-get", "--error-on=any", "update")
    assert hosts[release].run("apt-cache", "show", "nginx").stdout.startswith("Package: nginx")


def test_the_sudo_user_of_a_cloud_image_becomes_root_without_password(
    hosts: dict[str, Host],
) -> None:
    assert hosts["13"].run("sudo", "id", "-u", user="debian").stdout == "0\n"


def test_hosts_differ_in_what_identifies_them(hosts: dict[str, Host]) -> None:
    for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/hostname"):
        assert len({host.read(path) for host in hosts.values()}) == len(hosts)


def test_names_are_answered_at_once_and_also_forgotten(lab: Lab, equipped: Host) -> None:
    other = lab.hosts["bare13"]
    lab.dns("www.names.test", other)
    lab.dns("only6.names.test", other, ipv4=False)
    lab.dns_srv("_matrix-fed._tcp.names.test", "www.names.test", 8448)
    lab.dns_srv("_matrix._tcp.names.test", "www.names.test", 8449)

    def ask(name: str, kind: str) -> str:
        return equipped.run("dig", "+short", name, kind).stdout.strip()

    assert ask("www.names.test", "A") == other.ipv4
    assert ask("www.names.test", "AAAA") == other.ipv6
    assert ask("only6.names.test", "A") == ""
    assert ask("_matrix-fed._tcp.names.test", "SRV") == "10 5 8448 www.names.test."
    assert ask("_matrix._tcp.names.test", "SRV") == "10 5 8449 www.names.test."
    lab.dns_remove("www.names.test")
    assert "NXDOMAIN" in equipped.run("dig", "www.names.test").stdout


@pytest.mark.parametrize("release", ["12", "13"])
def test_synapses_repository_is_signed_and_lists_two_versions(
    lab: Lab, hosts: dict[str, Host], release: str
) -> None:
    host, services = hosts[release], lab.services
    codename = RELEASES[release].codename
    keyring = "/usr/share/keyrings/matrix-org-archive-keyring.gpg"
    host.run("tee", keyring, input="")
    source = f"deb [signed-by={keyring}] {services.synapse_repository} {codename} main\n"
    host.write("/etc/apt/sources.list.d/matrix-org.list", source)
    with pytest.raises(CommandError, match="not signed|NO_PUBKEY|Missing key"):
        host.run("apt-get", "--error-on=any", "update")
    fetch = "import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])"
    host.run("python3", "-c", fetch, services.synapse_keyring_url, keyring)
    host.run("apt-get", "--error-on=any", "update")
    listed = host.run("apt-cache", "madison", "matrix-synapse-py3").stdout
    assert listed.split()[2] == f"1.163.2+{codename}1"
    assert f"1.157.2+{codename}1" in listed
    services.publish_synapse("1.157.2", debian=release)
    published = services.host.root / "srv/www/debian/dists" / codename / "InRelease"
    try:
        # By the clock alone, what apt has may be as new as this.
        same_second = f"--date=@{int(published.stat().st_mtime)}"
        host.sh(f"touch {same_second} /var/lib/apt/lists/packages.lab.test_*_InRelease")
        host.run("apt-get", "--error-on=any", "update")
        listed = host.run("apt-cache", "madison", "matrix-synapse-py3").stdout
        assert "1.163.2" not in listed
    finally:
        services.publish_synapse(debian=release)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_certificates_are_issued_by_real_http_01_and_trusted(
    lab: Lab, equipped: Host, family: str
) -> None:
    name = f"{family}.acme.test"
    lab.dns(name, equipped, ipv4=family == "ipv4", ipv6=family == "ipv6")
    order = (
        f"certbot certonly --standalone -n --agree-tos --register-unsafely-without-email -d {name}"
    )
    issue = f"REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt {order}"
    equipped.sh(f"{issue} --server {lab.services.acme_directory}")
    live = f"/etc/letsencrypt/live/{name}"
    equipped.run("openssl", "verify", "-untrusted", f"{live}/chain.pem", f"{live}/cert.pem")


def test_no_certificate_without_control_of_the_name(lab: Lab, equipped: Host) -> None:
    lab.dns("elsewhere.acme.test", lab.hosts["bare13"])
    order = "certbot certonly --standalone -n --agree-tos --register-unsafely-without-email"
    bundle = "REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt"
    server = lab.services.acme_directory
    with pytest.raises(CommandError, match="Connection refused|Some challenges have failed"):
        equipped.sh(f"{bundle} {order} -d elsewhere.acme.test --server {server}")


SEND = """
import smtplib, ssl, sys
port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context()
if port == 465:
    link = smtplib.SMTP_SSL("mail.lab.test", port, context=context)
else:
    link = smtplib.SMTP("mail.lab.test", port)
if port == 587:
    link.starttls(context=context)
if user:
    link.login(user, password)
link.sendmail("a@lab.test", ["b@lab.test"], f"Subject: port {port}\\r\\n\\r\\nhello\\r\\n")
"""


@pytest.mark.parametrize("port", [25, 587, 465])
def test_mail_sent_from_a_host_is_stored(lab: Lab, hosts: dict[str, Host], port: int) -> None:
    services = lab.services
    services.forget_mails()
    login = ("", "") if port == 25 else (services.smtp_user, services.smtp_password)
    hosts["13"].run("python3", "-", str(port), *login, input=SEND)
    (mail,) = services.mails()
    assert mail["Subject"] == f"port {port}"
    assert mail["X-Lab-Rcpt-To"] == "b@lab.test"
    assert mail["X-Lab-Login"] == login[0]


@pytest.mark.parametrize("password", ["", "wrong"])
def test_submission_refuses_who_does_not_log_in(
    lab: Lab, hosts: dict[str, Host], password: str
) -> None:
    login = (lab.services.smtp_user if password else "", password)
    with pytest.raises(CommandError, match="Authentication|authentication"):
        hosts["13"].run("python3", "-", "587", *login, input=SEND)


def test_a_host_survives_reboot_and_power_cut(hosts: dict[str, Host]) -> None:
    host = hosts["13"]
    host.write("/root/kept", "kept\n")
    before = host.boot_id()
    host.reboot()
    assert host.boot_id() != before
    host.kill()
    assert not host.running
    host.start()
    assert host.read("/root/kept") == "kept\n"
    assert host.run("systemctl", "is-system-running").stdout.strip() == "running"


@pytest.mark.upgrades
def test_a_disk_of_its_own_runs_full_and_has_room_again(lab: Lab) -> None:
    host = lab.host("full", disk=True)
    write = "mkdir -p /srv/new && head -c 1000000 /dev/zero > /srv/new/file"
    for what in Scarce:
        host.disk.exhaust(what)
        assert "No space left" in host.sh(write, check=False).stderr
        host.disk.relieve()
        host.sh(f"{write}; rm -r /srv/new")
    with pytest.raises(LabError, match="cannot become a snapshot"):
        lab.snapshot(host, "test-lab-full")
    lab.discard(host)


def test_a_snapshot_is_cloned_in_seconds_at_the_same_address(lab: Lab) -> None:
    original = lab.host("original", dns=["original.clone.test"])
    original.write("/srv/state", "of the original\n")
    snapshot = lab.snapshot(original, "test-lab")
    with pytest.raises(LabError, match="has the address"):
        lab.host("clone", base=snapshot)
    second = lab.host("second", base=snapshot, readdress=True)
    lab.discard(original)
    began = time.monotonic()
    clone = lab.host("clone", base=snapshot)
    assert time.monotonic() - began < 30
    assert clone.ipv4 == original.ipv4 != second.ipv4
    assert clone.read("/srv/state") == "of the original\n"
    clone.write("/srv/state", "changed\n")
    assert second.read("/srv/state") == "of the original\n"
    assert lab.load_snapshot("test-lab") == snapshot
    lab.discard(clone)
    lab.discard(second)


def test_a_failed_command_says_what_where_and_why(hosts: dict[str, Host]) -> None:
    with pytest.raises(CommandError) as failure:
        hosts["12"].sh("echo out; echo err >&2; exit 7")
    for part in ("root@bare12", "exit status 7", "out", "err"):
        assert part in str(failure.value)


# Tokens of all runs of the lab "killed": what one leaves is looked for in later tests too.
TOKENS: set[str] = set()


def remember_token() -> None:
    """Note the token of the present run, which every name outside its directory carries."""
    entries = dict(Ledger(LAB / "killed/ledger").entries())
    TOKENS.add(entries["kernel settings"])


def traces() -> dict[str, set[str]]:
    """Return what the lab "killed" has on this machine outside its own directory, by kind.

    Other labs may come and go meanwhile, so this looks for the names that only this one uses.
    """

    def lines(*argv: str) -> list[str]:
        return run(*argv).stdout.splitlines()

    kinds = {
        "links": [path.name for path in Path("/sys/class/net").iterdir()],
        "tables": lines("nft", "list", "tables"),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "groups": [str(path) for top in cgroups.hierarchies() for path in top.iterdir()],
        "machines": [
            line for line in lines("ps", "-ww", "-eo", "args") if "systemd-nspawn" in line
        ],
        "users of kernel settings": [path.name for path in kernel.MEMORY.glob("users/*")],
        "propagated": [path.name for path in machine.PROPAGATE.iterdir()],
    }
    wanted = {*TOKENS, str(LAB / "killed")}
    return {
        kind: {name for name in names if any(word in name for word in wanted)}
        for kind, names in kinds.items()
    }


def nothing_left() -> bool:
    return not any(traces().values())


# A shell that runs something in the background, as CI may run us, has it ignore Ctrl-C, and that is
# inherited; a person's Ctrl-C is not ignored.
CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.hosts.lab import Lab
with Lab.open(sys.argv[1]) as lab:
    print("up", flush=True)
    time.sleep(600)
"""


# Its threads make hosts and files as fast as they can, whatever becomes of them.
BUSY_CHILD = CHILD.replace(
    "    print(",
    """    import threading
    def go_on(work):
        while True:
            try:
                work()
            except Exception:
                time.sleep(0.001)
    def make_host():
        host = lab.host("busy")
        host.kill()
        host.start()
        lab.discard(host)
    def make_file():
        directory = lab.state / "records"
        directory.mkdir(exist_ok=True)
        (directory / f"{time.monotonic()}").touch()
    for work in (make_host, make_file):
        threading.Thread(target=go_on, args=[work], daemon=True).start()
    print(""",
)


@contextmanager
def running(script: str) -> Iterator[subprocess.Popen[str]]:
    """A run of its own that has a lab named "killed"."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, "killed"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    remember_token()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        Lab.clean("killed")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    with running(CHILD) as process:
        yield process


@pytest.fixture
def foreign_bridge() -> Iterator[str]:
    """A bridge that somebody else made, named as the lab names its own."""
    name = f"lab-{secrets.token_hex(3)}"
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    yield name
    subprocess.run(["ip", "link", "delete", name], check=True)


def test_the_next_run_removes_what_a_killed_one_left_and_nothing_else(
    child: subprocess.Popen[str], foreign_bridge: str
) -> None:
    child.kill()
    child.wait()
    assert all(traces().values()), "a killed run leaves something of every kind"
    with Lab.open("killed"):
        present = {name for name in TOKENS if Path("/sys/class/net", f"lab-{name}").exists()}
        assert not present
        remember_token()
        assert all(traces().values())
        assert Path("/sys/class/net", foreign_bridge).exists()
    assert nothing_left()
    assert Path("/sys/class/net", foreign_bridge).exists()
    kept = {path.name for path in (LAB / "killed").iterdir()}
    assert kept == {"lock", "logs", "ssh_key", "ssh_key.pub"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_leaves_nothing(
    child: subprocess.Popen[str], number: signal.Signals
) -> None:
    child.send_signal(number)
    assert child.wait(120) != 0
    assert nothing_left()


def test_a_terminated_run_whose_threads_go_on_leaves_nothing() -> None:
    with running(BUSY_CHILD) as child:
        time.sleep(2)
        child.terminate()
        assert child.wait(120) == -signal.SIGTERM
        assert nothing_left()


def test_a_closed_ledger_takes_nothing_more_and_waits_for_what_is_being_made(
    tmp_path: Path,
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    closing = threading.Thread(target=ledger.close)
    with ledger.making("directory", str(tmp_path / "made")):
        closing.start()
        closing.join(0.2)
        assert closing.is_alive()
        (tmp_path / "made").mkdir()
    closing.join()
    with pytest.raises(LabError, match="closed"):
        ledger.add("directory", str(tmp_path / "late"))
    assert ledger.undo() == []
    assert not (tmp_path / "made").exists()


def test_a_second_live_run_of_the_same_name_is_refused(child: subprocess.Popen[str]) -> None:
    with pytest.raises(LabError, match=f"'killed' is in use by process {child.pid}"):
        Lab.open("killed")
    with pytest.raises(LabError, match="in use"):
        Lab.clean("killed")


def test_a_detached_lab_outlives_its_run_until_cleaned() -> None:
    script = CHILD.replace("time.sleep(600)", "lab.detach(); print(*lab.services.host.ssh_argv)")
    detach = [sys.executable, "-c", script, "killed"]
    done = subprocess.run(detach, cwd=ROOT, capture_output=True, text=True, check=True)
    remember_token()
    shell = done.stdout.splitlines()[-1].split()
    try:
        answer = subprocess.run([*shell, "hostname"], capture_output=True, text=True, check=True)
        assert answer.stdout == "lab\n"
        assert all(traces().values())
    finally:
        remove = [sys.executable, "-m", "tests.hosts.lab", "clean", "killed"]
        subprocess.run(remove, cwd=ROOT, check=True)
    assert nothing_left()


def test_a_machine_that_cannot_says_in_one_line_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabUnavailable, match="needs root") as refusal:
        require()
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LabUnavailable, match="systemd-nspawn.*apt-get install") as missing:
        require()
    assert "\n" not in str(refusal.value) + str(missing.value)
