"""The upgrade of a server from the release before this one, under load: its packages, and what has
to be so afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.accounts import Account
from tests.clients.load import Load
from tests.hosts import previous_release
from tests.hosts.deployments import TOP, Deployment
from tests.hosts.lab import Host
from tests.hosts.lab.synapse_deb import package as synapse
from tests.hosts.people import new_account
from tests.hosts.probes import wait_until_serving
from tests.hosts.status import assert_well
from tests.hosts.upgrades.candidates import UPSTREAM
from tests.hosts.upgrades.packages import field

OURS = "altpeter-matrix-config"
GATE = "altpeter-matrix-gate.service"
APT = (
    "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120"
    " --allow-downgrades install {} </dev/null 2>&1"
)
# What Python says when a unit, or a hook, names a module that is not there.
MISSING = ("No module named", "ImportError", "cannot be directly executed", "can't open file")


def ours() -> Path:
    return max((TOP / "dist").glob(f"{OURS}_*_all.deb"))


def files(server: Deployment) -> tuple[str, str]:
    """Our package and Synapse's, on the host."""
    return f"/root/{ours().name}", f"/root/{synapse(server.host.debian).name}"


def install_dependencies(host: Host) -> None:
    """As dpkg would not."""
    host.sh(APT.format(" ".join(previous_release.new_dependencies(ours()))))


def restart_synapse(host: Host, load: Load) -> None:
    host.run("systemctl", "restart", "matrix-synapse")
    load.breathe(1)


@contextmanager
def nothing_fails(
    what: str, server: Deployment, account: Account | None = None, *, whole: bool = True
) -> Iterator[Load]:
    """Load during the block; afterwards nothing has failed, been lost or been doubled, and nothing
    of what systemd started had lost its module.

    whole: False when dpkg may have stopped half-way; then that is only true of what holds requests.
    The health gate is started again until it finds its own.
    """
    load = Load(account or new_account(server, "load"))
    since = server.host.run("date", "+%s").stdout.strip()
    with load:
        yield load
        load.breathe(1)
    print(f"Debian {server.host.debian}, {what}: {load.report}")
    units = () if whole else ("-u", "matrix-synapse", "-u", "altpeter-matrix-hold")
    said = server.host.run("journalctl", "--no-pager", "--since", f"@{since}", *units).stdout
    lost = [line for line in said.splitlines() if any(word in line for word in MISSING)]
    assert not lost, lost
    assert load.report.failures == []
    load.assert_nothing_lost_or_doubled()


def installed(host: Host) -> tuple[str, str]:
    shown = host.run("dpkg-query", "-W", "-f", "${Version} ", OURS, UPSTREAM).stdout.split()
    return shown[0], shown[1]


def assert_upgraded(server: Deployment) -> None:
    """Both packages, and what systemd goes by, are new; the host is well."""
    host = server.host
    assert installed(host) == (field(ours(), "Version"), field(synapse(host.debian), "Version"))
    assert host.run("dpkg", "--audit").stdout == ""
    for unit in ("matrix-synapse", "nginx", "altpeter-matrix-hold.socket", GATE):
        assert host.run("systemctl", "show", "-P", "NeedDaemonReload", unit).stdout.strip() == "no"
    stop = host.run("systemctl", "show", "-P", "ExecStop", "matrix-synapse").stdout
    assert "before_stop" in stop
    wait_until_serving(server)
    assert_well(host)
