"""The upgrade from the release before this one, while clients are served: no request fails, in
whatever order dpkg works, and whatever is restarted, killed or cut off between two of its steps.

The units that systemd has read, and apt's hook, are the old ones for a while after the modules
that they name were replaced; a drain that cannot start would lose requests without a word.
"""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.hosts import previous_release
from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Host
from tests.hosts.lab.synapse_deb import package as synapse
from tests.hosts.people import new_account
from tests.hosts.previous_upgrade import (
    APT,
    GATE,
    OURS,
    assert_upgraded,
    files,
    install_dependencies,
    installed,
    nothing_fails,
    ours,
    restart_synapse,
)
from tests.hosts.probes import wait_until_serving
from tests.hosts.status import status_of
from tests.hosts.upgrades.candidates import UPSTREAM
from tests.hosts.upgrades.faults import Moment
from tests.hosts.upgrades.packages import Repository
from tests.hosts.upgrades.patient import DISTURB, PLACE, SCRIPT

pytestmark = previous_release.needed

HOOK = "/usr/lib/altpeter-matrix-config/apt-hook"
_OURS, _SYNAPSE = f"{OURS}:all", f"{UPSTREAM}:amd64"
# Of an upgrade of our package together with Synapse, in the order in which they come.
MOMENTS = (
    Moment(f"upgrade {_OURS}"),
    Moment(f"status half-configured {_OURS}"),
    Moment(f"status half-installed {_OURS}"),
    Moment(f"status half-installed {_OURS}", 0.02),
    Moment(f"status half-installed {_OURS}", 0.05),
    Moment(f"status unpacked {_OURS}"),
    Moment(f"upgrade {_SYNAPSE}"),
    Moment(f"status half-installed {_SYNAPSE}"),
    Moment(f"status half-installed {_SYNAPSE}", 1),
    Moment(f"status unpacked {_SYNAPSE}"),
    Moment(f"configure {_OURS}"),
    Moment(f"configure {_OURS}", 0.3),
    Moment(f"configure {_OURS}", 0.6),
    Moment(f"configure {_SYNAPSE}"),
    Moment(f"configure {_SYNAPSE}", 0.5),
    Moment(f"configure {_SYNAPSE}", 2),
    Moment(f"trigproc {_OURS}"),
    Moment(f"trigproc {_OURS}", 0.3),
    Moment(f"trigproc {_OURS}", 1),
    Moment(f"trigproc {_OURS}", 2),
)
# Of the kills: our modules half renamed, and all of them there while systemd has the old units.
IN_MAKE_TEST = (("12", 4), ("13", 5))


@pytest.fixture(scope="module")
def deploying(
    fleet: Fleet, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, Future[Deployment]]]:
    """The servers that the selected tests use, made at the same time."""
    wanted = {
        str(item.callspec.params["past"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    }
    with ThreadPoolExecutor() as pool:
        yield {debian: pool.submit(previous_release.deploy, fleet, debian) for debian in wanted}


@pytest.fixture(scope="module", params=["12", "13"])
def past(request: pytest.FixtureRequest, deploying: Mapping[str, Future[Deployment]]) -> Deployment:
    """A server of the release before this one, powered off."""
    return deploying[request.param].result()


@pytest.fixture
def server(past: Deployment, fleet: Fleet) -> Iterator[Deployment]:
    """A copy of it that serves, with the packages of the upgrade in /root."""
    with fleet.clone(past, "up", dns=True) as copy:
        for package in (ours(), synapse(copy.host.debian)):
            (copy.host.root / "root" / package.name).write_bytes(package.read_bytes())
        wait_until_serving(copy, within=120)
        yield copy


@pytest.mark.upgrades
def test_apt_get_upgrades_both_at_once(server: Deployment) -> None:
    with nothing_fails("apt-get", server) as load:
        said = server.host.sh(APT.format(" ".join(files(server))), timeout=600).stdout
        restart_synapse(server.host, load)
    assert "conffile" not in said
    assert_upgraded(server)


@pytest.mark.upgrades
def test_unattended_upgrades_brings_both_with_the_new_dependencies(
    server: Deployment, fleet: Fleet
) -> None:
    host = server.host
    Repository(fleet.lab, host).publish([ours()])
    with nothing_fails("unattended-upgrade", server) as load:
        host.sh("unattended-upgrade --debug </dev/null 2>&1", timeout=600)
        restart_synapse(host, load)
    assert_upgraded(server)


@pytest.mark.upgrades
def test_apt_get_upgrade_keeps_it_back_until_new_packages_are_allowed(
    server: Deployment, fleet: Fleet
) -> None:
    """As docs/upgrades.md has it."""
    host = server.host
    Repository(fleet.lab, host).publish([ours()])
    upgrade = "DEBIAN_FRONTEND=noninteractive apt-get -q -y {} </dev/null 2>&1"
    with nothing_fails("apt-get upgrade", server):
        kept = host.sh(upgrade.format("upgrade"), timeout=600).stdout
        assert OURS in kept.partition("kept back:")[2].partition("upgraded:")[0], kept
        assert installed(host)[0] == previous_release.VERSION
        host.sh(upgrade.format("upgrade --with-new-pkgs"), timeout=600)
    assert_upgraded(server)


@pytest.mark.upgrades
@pytest.mark.parametrize("first", ["ours", "synapse"])
def test_dpkg_upgrades_both_in_either_order(server: Deployment, first: str) -> None:
    host = server.host
    install_dependencies(host)
    order = files(server) if first == "ours" else files(server)[::-1]
    with nothing_fails(f"dpkg, {first} first", server) as load:
        host.sh(f"dpkg -i {' '.join(order)} </dev/null 2>&1", timeout=600)
        restart_synapse(host, load)
    assert_upgraded(server)


def test_whatever_runs_between_unpacking_and_configuring_finds_its_modules(
    server: Deployment,
) -> None:
    host = server.host
    install_dependencies(host)
    config, newer = files(server)
    with nothing_fails("dpkg stopped after unpacking", server) as load:
        host.sh(f"dpkg --unpack {config} </dev/null 2>&1")
        stop = host.run("systemctl", "show", "-P", "ExecStop", "matrix-synapse").stdout
        assert "before_stop" not in stop, "systemd goes by the new unit already"
        restart_synapse(host, load)
        host.run("systemctl", "reload", "nginx")
        run_the_gate(host)
        run_the_hook(host, newer)
        # Synapse comes in the same run of apt, before ours is configured.
        host.sh(f"dpkg -i {newer} </dev/null 2>&1")
        load.breathe(1)
        # Another package has systemd read the new units.
        host.run("systemctl", "daemon-reload")
        restart_synapse(host, load)
        host.run("systemctl", "reload", "nginx")
        run_the_gate(host)
        host.sh("dpkg --configure -a </dev/null 2>&1")
        restart_synapse(host, load)
    assert load.report.longest_gap > 1, "there was no interruption"
    assert_upgraded(server)
    # Its ports close for a moment, so not under load.
    host.run("systemctl", "restart", "nginx")
    assert_upgraded(server)


def run_the_gate(host: Host) -> None:
    """As its timer does; it goes on when there is something to watch."""
    host.run("systemctl", "restart", GATE)
    host.sh(f"sleep 2; ! systemctl is-failed --quiet {GATE}")


def run_the_hook(host: Host, deb: str) -> None:
    """As apt does, old and new."""
    host.sh(f"{HOOK} update </dev/null; echo {deb} | {HOOK} install", timeout=300)


def interrupted(turn: int) -> list[Any]:
    """Each moment on one of the releases; turn: which one begins."""
    found = []
    for number, moment in enumerate(MOMENTS):
        debian = ("12", "13")[(number + turn) % 2]
        marks = () if (debian, number) in IN_MAKE_TEST else pytest.mark.upgrades
        found.append(pytest.param(debian, moment, id=f"{debian}-{moment}", marks=marks))
    return found


@pytest.mark.parametrize(("past", "moment"), interrupted(0), indirect=["past"])
def test_a_killed_dpkg_lets_no_request_fail(server: Deployment, moment: Moment) -> None:
    host = server.host
    install_dependencies(host)
    both = " ".join(files(server))
    host.write(SCRIPT, DISTURB)
    host.run("mkdir", PLACE)
    with nothing_fails(f"killed at {moment}", server, whole=False) as load:
        said = host.sh(f"python3 {SCRIPT} '{moment.stage}' {moment.seconds} all {both}").stdout
        assert "in time" in said, f"dpkg had ended before {moment}"
        # By whatever units there are now. One whose files are being replaced cannot start.
        host.run("systemctl", "restart", "matrix-synapse", check=False)
        repair(server)
        restart_synapse(host, load)
    assert_upgraded(server)


@pytest.mark.upgrades
@pytest.mark.parametrize(("past", "moment"), interrupted(1), indirect=["past"])
def test_after_a_power_cut_no_request_fails(server: Deployment, moment: Moment) -> None:
    host = server.host
    install_dependencies(host)
    both = " ".join(files(server))
    account = new_account(server, "cut")
    host.write(SCRIPT, DISTURB)
    host.run("mkdir", PLACE)
    host.sh(
        f"systemd-run --quiet --collect python3 {SCRIPT}"
        f" '{moment.stage}' {moment.seconds} tell {both}"
    )
    now, ended = (host.root / PLACE.lstrip("/") / name for name in ("now", "ended"))
    end = time.monotonic() + 120
    while not now.exists():
        assert not ended.exists() and time.monotonic() < end, f"dpkg did not come to {moment}"
        time.sleep(0.001)
    host.kill()
    assert not ended.exists(), f"dpkg had ended before {moment}"
    host.start()
    if "half-installed" in moment.stage and UPSTREAM in moment.stage:
        # A Synapse of which a half is there serves nobody.
        repair(server)
    wait_until_serving(server, within=120)
    with nothing_fails(f"power cut at {moment}", server, account, whole=False) as load:
        restart_synapse(host, load)
        repair(server)
        restart_synapse(host, load)
    assert_upgraded(server)


def repair(server: Deployment) -> None:
    """What docs/upgrades.md tells an administrator to do, and then the upgrade."""
    host, (config, package) = server.host, files(server)
    flags = host.run("dpkg-query", "-W", "-f", "${db:Status-Eflag} ${Package}\\n").stdout
    wanted = {line.split()[1] for line in flags.splitlines() if line.startswith("reinstreq")}
    configured = host.sh("dpkg --configure -a </dev/null 2>&1", check=False, timeout=600)
    assert wanted or configured.returncode == 0, configured.stdout
    for name in sorted(wanted):
        host.sh(APT.format(f"--reinstall {config if name == OURS else package}"), timeout=600)
    host.sh(APT.format(f"{config} {package}"), timeout=600)


@pytest.mark.upgrades
def test_the_way_back_loses_no_request(server: Deployment) -> None:
    """To the release before this one, as docs/repository.md has it."""
    host = server.host
    config, _ = files(server)
    before = previous_release.package()
    (host.root / "root" / before.name).write_bytes(before.read_bytes())
    host.sh(APT.format(config))
    with nothing_fails("the way back", server) as load:
        host.sh(APT.format(f"/root/{before.name}"))
        restart_synapse(host, load)
    assert installed(host)[0] == previous_release.VERSION
    assert host.run("dpkg", "--audit").stdout == ""
    status = status_of(host)
    assert status.returncode == 0, status.stdout
