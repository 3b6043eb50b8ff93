"""Nobody but root holds up a check, apt or an apply with a lock; and no wait is without an end."""

from collections.abc import Callable

import pytest

from tests.hosts.attacks import APPLY, CHECK, STATUS, attacker, run_all
from tests.hosts.deployments import Deployment
from tests.hosts.lab import Host
from tests.hosts.releases import on_one_release

pytestmark = on_one_release

# Every file of ours that the user can open for its lock, again and again: also one that appears.
HOLD = """
while :; do
    for file in $(find /run/altpeter-matrix /var/lib/altpeter-matrix -type f 2>/dev/null); do
        flock --nonblock "$file" sleep 120 2>/dev/null &
    done
    sleep 1
done
"""
APT_HOOK = ("/usr/bin/python3", "-I", "-c", """
from altpeter_matrix.cli.apt_hook import before_install
raise SystemExit(before_install(["/var/cache/apt/archives/matrix-synapse-py3_1_all.deb"]))
""")  # fmt: skip
ASK = """
from altpeter_matrix.base.errors import HostError
from altpeter_matrix.base.locks import APPLY, exclusive
from altpeter_matrix.base.paths import Paths
try:
    with exclusive(Paths(), wait=1):
        print("had it")
except HostError as error:
    print(error)
"""
# What a Synapse that was taken over may do: see files/systemd/matrix-synapse.service.d.
SANDBOX = (
    "ProtectSystem=full", "PrivateUsers=yes", "PrivateTmp=yes", "NoNewPrivileges=yes",
    "CapabilityBoundingSet=", "ProtectProc=invisible",
)  # fmt: skip
UNITS = ("altpeter-matrix-upgrade-check", "altpeter-matrix-gate", "altpeter-matrix-hold")


@pytest.fixture(scope="module")
def host(deployment: Deployment, clone: Callable[..., Deployment]) -> Host:
    victim = clone(deployment, "locks").host
    # The locks are there, as on a host that has run for a day.
    run_all(victim, CHECK)
    run_all(victim, APPLY)
    return victim


@pytest.mark.parametrize(
    ("user", "properties"),
    [("nobody", ()), ("www-data", ()), ("matrix-synapse", ()), ("matrix-synapse", SANDBOX)],
    ids=["nobody", "www-data", "Synapse's user", "Synapse in its sandbox"],
)
def test_no_user_holds_up_what_locks(host: Host, user: str, properties: tuple[str, ...]) -> None:
    with attacker(host, user, HOLD, *properties):
        host.sh("sleep 1.5")
        ended = run_all(host, CHECK, APPLY, STATUS, APT_HOOK)
    assert [one.status for one in ended.values()][:3] == [0, 0, 0], ended


def test_who_waits_in_vain_is_told_who_holds_the_lock(host: Host) -> None:
    with attacker(host, "root", "exec flock /run/altpeter-matrix/locks/apply sleep 120"):
        host.sh("sleep 0.5")
        said = host.run("python3", "-I", "-c", ASK).stdout
    assert "(`flock /run/altpeter-matrix/locks/apply sleep 120`, since 20" in said, said


@pytest.mark.parametrize("unit", UNITS)
def test_what_runs_by_itself_has_an_end(host: Host, unit: str) -> None:
    shown = host.run("systemctl", "show", "--property=TimeoutStartUSec,RuntimeMaxUSec", unit)
    limits = dict(line.split("=") for line in shown.stdout.split("\n") if line)
    limit = "TimeoutStartUSec" if unit == UNITS[0] else "RuntimeMaxUSec"
    assert limits[limit] != "infinity"


def test_what_outlives_its_end_is_a_finding(host: Host) -> None:
    host.sh("echo 1 1 > /tmp/old; cp /tmp/old /run/altpeter-matrix/locks/held-back")
    held = "exec 9<>/run/altpeter-matrix/locks/held-back; flock 9; echo $$ 1700000000 >&9; sleep 99"
    with attacker(host, "root", held):
        host.sh("sleep 0.5")
        status = run_all(host, STATUS)[STATUS]
    assert status.status != 0
    assert "/run/altpeter-matrix/locks/held-back" in status.output
    assert "longer than it ever should be" in status.output
