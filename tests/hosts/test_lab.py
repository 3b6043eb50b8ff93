"""The lab itself: hosts boot, and the outside world answers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from .lab import CommandError, Host, Lab, LabError, LabUnavailable, Scarce, require
from .lab.layout import RELEASES

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
    with pytest.raises(CommandError, match=r"not signed|NO_PUBKEY|Missing key"):
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
    with pytest.raises(CommandError, match=r"Connection refused|Some challenges have failed"):
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
    with pytest.raises(CommandError, match=r"Authentication|authentication"):
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


def test_a_machine_that_cannot_says_in_one_line_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabUnavailable, match="needs root") as refusal:
        require()
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(LabUnavailable, match=r"systemd-nspawn.*apt-get install") as missing:
        require()
    assert "\n" not in str(refusal.value) + str(missing.value)
