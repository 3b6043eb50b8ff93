"""Bad input, given to ``altpeter-matrix apply`` and to the deploy: refused before anything
changes, with file, key and remedy, while the server goes on serving."""

import pprint
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.hosts.bad_hosts import BAD_HOSTS, CODENAMES, SETTINGS, BadHost
from tests.hosts.bad_settings import BAD_SETTINGS, BadSetting
from tests.hosts.deployments import Deployment, run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host
from tests.hosts.probes import difference, state_of, wait_until_serving


@pytest.fixture(
    scope="module", params=["debian12", pytest.param("debian13", marks=pytest.mark.upgrades)]
)
def server(clone: Callable[..., Deployment], request: pytest.FixtureRequest) -> Deployment:
    server = clone(request.getfixturevalue(request.param), "bad-input", dns=True)
    wait_until_serving(server)
    return server


@pytest.fixture(scope="module")
def state(server: Deployment) -> dict[str, str]:
    """What no bad settings may change, on this host."""
    return besides_settings(server.host)


def besides_settings(host: Host) -> dict[str, str]:
    state = state_of(host)
    state.pop(SETTINGS, None)
    return state


@contextmanager
def unchanged(server: Deployment) -> Iterator[None]:
    """Nothing on the host changes within, and it serves."""
    before = state_of(server.host)
    yield
    assert difference(before, state_of(server.host)) == {}
    wait_until_serving(server, within=5)


@contextmanager
def original_settings(host: Host) -> Iterator[str]:
    text = host.read(SETTINGS)
    try:
        yield text
    finally:
        host.write(SETTINGS, text)


def assert_refused(host: Host, where: str, remedy: str, user: str = "root") -> None:
    """`check` and `apply` both say where and what to do, in one line, without a traceback."""
    for command in ("check", "apply"):
        result = host.run("/usr/sbin/altpeter-matrix", command, check=False, user=user)
        assert result.returncode == 1, f"{command}: {result.stdout}{result.stderr}"
        assert "Traceback" not in result.stderr
        lines = [line for line in result.stderr.splitlines() if where in line]
        assert any(remedy in line for line in lines), result.stderr
        assert all(line.startswith("error: ") for line in lines), result.stderr


@pytest.mark.parametrize("bad", BAD_SETTINGS, ids=lambda bad: bad.name)
def test_the_host_refuses_bad_settings(
    server: Deployment, state: dict[str, str], bad: BadSetting
) -> None:
    with original_settings(server.host) as text:
        spoiled = bad.spoiled(yaml.safe_load(text))
        server.host.write(SETTINGS, yaml.safe_dump(spoiled, sort_keys=False))
        assert_refused(server.host, f"settings.yaml: {bad.key}: ", bad.remedy)
        assert difference(state, besides_settings(server.host)) == {}
        wait_until_serving(server, within=5)


@pytest.mark.parametrize("bad", BAD_HOSTS, ids=lambda bad: bad.name)
def test_the_host_refuses_what_cannot_work(server: Deployment, bad: BadHost) -> None:
    host, bad = server.host, bad.on(server)
    with original_settings(host) as text:
        if bad.settings:
            key = bad.settings.partition(":")[0]
            settings = yaml.safe_load(text)
            settings.pop(key, None)
            host.write(SETTINGS, yaml.safe_dump(settings, sort_keys=False) + bad.settings)
        try:
            host.sh(bad.spoil)
            with unchanged(server):
                assert_refused(host, bad.where, bad.remedy, bad.user)
        finally:
            host.sh(bad.repair)


def test_the_host_takes_good_settings(server: Deployment) -> None:
    """Proves that none of the refusals above was for another reason."""
    assert server.host.run("altpeter-matrix", "check").returncode == 0
    with original_settings(server.host) as text:
        good = yaml.safe_dump({**yaml.safe_load(text), "log_level": "WARNING"})
        server.host.write(SETTINGS, good)
        assert server.host.run("altpeter-matrix", "check").returncode == 0


# The same, given to the deploy.


@pytest.fixture(scope="module")
def refusals(fleet: Fleet, server: Deployment) -> str:
    """What one run says to an inventory in which each host but one has bad settings."""
    base = {
        "ssh_hostname": server.host.ipv4,
        "ssh_user": "root",
        "ssh_key": str(server.host.ssh_key),
        "ssh_strict_host_key_checking": "no",
        **fleet.data(server),
    }
    entries = [("good", {**base, "matrix": dict(server.settings)})]
    entries += [
        (bad.name.replace(" ", "-"), {**base, "matrix": bad.spoiled(server.settings)})
        for bad in BAD_SETTINGS
    ]
    inventory = fleet.lab.state / "inventories/bad-input/inventory.py"
    inventory.parent.mkdir(parents=True, exist_ok=True)
    inventory.write_text(f"homeserver = {pprint.pformat(entries, sort_dicts=False)}\n")
    with unchanged(server):
        # Few at a time: sshd turns away more than ten that are not logged in yet.
        result = run_pyinfra(inventory, "-y", "--parallel", "4", check=False)
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    return f"{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("bad", BAD_SETTINGS, ids=lambda bad: bad.name)
def test_the_deploy_refuses_bad_settings_for_all_hosts_at_once(
    refusals: str, bad: BadSetting
) -> None:
    where = f"inventory: {bad.key} ({bad.name.replace(' ', '-')}): "
    lines = [line for line in refusals.splitlines() if where in line]
    assert any(bad.remedy in line for line in lines), refusals


def refused(fleet: Fleet, server: Deployment, *said: str, **options: object) -> None:
    """The deploy fails with these words before anything has changed."""
    data = options.pop("data", None)
    assert data is None or isinstance(data, dict)
    inventory = fleet.inventory(server, data=data, **options)
    with unchanged(server):
        result = run_pyinfra(inventory, "-y", check=False)
    output = f"{result.stdout}\n{result.stderr}"
    assert result.returncode != 0, output
    assert "Traceback" not in output
    errors = [line for line in output.splitlines() if "error:" in line]
    assert any(all(word in line for word in said) for line in errors), output


def test_the_deploy_refuses_another_server_name(fleet: Fleet, server: Deployment) -> None:
    name = server.settings["server_name"]
    refused(fleet, server, "server_name", name, "write", server_name="other.test",
            certificates={**server.settings["certificates"], "acme": False})  # fmt: skip


def test_the_deploy_refuses_a_name_without_an_address(fleet: Fleet, server: Deployment) -> None:
    refused(fleet, server, "DNS: nowhere.test", "A and AAAA", aliases=["nowhere.test"])


def test_the_deploy_refuses_a_name_that_leads_elsewhere(fleet: Fleet, server: Deployment) -> None:
    refused(fleet, server, "DNS: lab.test", "not this host", aliases=["lab.test"])


def test_the_deploy_refuses_a_host_whose_resolver_is_dead(fleet: Fleet, server: Deployment) -> None:
    server.host.sh(
        "cp -P /etc/resolv.conf /root/resolv.conf; rm /etc/resolv.conf; "
        "echo nameserver 127.0.0.99 > /etc/resolv.conf; "
        "iptables -I OUTPUT -d 127.0.0.99 -j DROP"
    )
    began = time.monotonic()
    try:
        refused(fleet, server, "DNS: alias.test", "/etc/resolv.conf", aliases=["alias.test"])
    finally:
        server.host.sh(
            "iptables -D OUTPUT -d 127.0.0.99 -j DROP; "
            "rm /etc/resolv.conf; mv /root/resolv.conf /etc/resolv.conf"
        )
    assert time.monotonic() - began < 60


def test_the_deploy_refuses_an_unknown_signing_key(fleet: Fleet, server: Deployment) -> None:
    repository = {**server.settings["synapse_repository"], "key_fingerprint": "A" * 40}
    refused(fleet, server, "A" * 40, "synapse_repository", synapse_repository=repository)


def test_the_deploy_refuses_a_repository_without_the_release(
    fleet: Fleet, server: Deployment
) -> None:
    right = server.settings["synapse_repository"]
    nowhere = {**right, "uri": f"{right['uri']}/nowhere"}
    codename = CODENAMES[server.host.debian]
    where = f"nowhere: does not give the host dists/{codename}/InRelease"
    refused(fleet, server, where, "synapse_repository.uri", synapse_repository=nowhere)


def test_the_deploy_refuses_a_missing_package(fleet: Fleet, server: Deployment) -> None:
    refused(fleet, server, "no-such.deb", "make deb", data={"package": "/tmp/no-such.deb"})


def test_the_deploy_refuses_a_missing_password_file(fleet: Fleet, server: Deployment) -> None:
    refused(fleet, server, "smtp_password_file", "/tmp/no-such-file",
            data={"smtp_password_file": "/tmp/no-such-file"})  # fmt: skip


def test_the_deploy_refuses_a_password_in_the_inventory(fleet: Fleet, server: Deployment) -> None:
    refused(fleet, server, "smtp_password", "smtp_password_file",
            data={"smtp_password": "plain", "smtp_password_file": None})  # fmt: skip


def test_the_deploy_refuses_a_user_without_sudo(fleet: Fleet, server: Deployment) -> None:
    server.host.sh(
        "useradd -m nosudo; install -d -o nosudo -m 0700 /home/nosudo/.ssh; "
        "install -o nosudo -m 0600 /root/.ssh/authorized_keys /home/nosudo/.ssh/authorized_keys"
    )
    refused(fleet, server, "root rights", "sudo", data={"ssh_user": "nosudo"})


@pytest.mark.parametrize(
    "name",
    [
        "wrong collation", "unsupported release", "port taken", "full disk",
        "nginx addition without semicolon", "option that Synapse refuses",
        "another site of nginx is broken",
    ],
)  # fmt: skip
def test_the_deploy_refuses_what_cannot_work_on_the_host(
    fleet: Fleet, server: Deployment, name: str
) -> None:
    bad = next(bad for bad in BAD_HOSTS if bad.name == name).on(server)
    settings = {"log_level": "WARNING", **yaml.safe_load(bad.settings or "{}")}
    where = bad.where.rpartition(": ")[2].rpartition(".")[0]
    try:
        server.host.sh(bad.spoil)
        refused(fleet, server, where, **settings)
    finally:
        server.host.sh(bad.repair)


def test_the_deploy_still_accepts_the_server(fleet: Fleet, server: Deployment) -> None:
    """Proves that none of the refusals above was for another reason."""
    result = run_pyinfra(fleet.inventory(server, log_level="WARNING"), "--dry", check=False)
    assert result.returncode == 0, result.stdout + result.stderr
