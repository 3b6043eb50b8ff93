"""An edit of homeserver.yaml, from its making to its end, and the Synapse that waits for it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.probes import assert_healthy, difference, request, state_of, wait_until_serving

from .bench import ADOPT, REPLACED, WHO_AM_I, Bench, new_bench
from .cells import SID, Upgrade
from .packages import field
from .sid import deploy_sid
from .states import HOMESERVER, SYNAPSE
from .ways import at_terminal, unattended

pytestmark = pytest.mark.upgrades
OPTION = "forget_rooms_on_leave: true"
ENVIRONMENT = "/etc/default/matrix-synapse"


@pytest.fixture(scope="module", params=["debian12", "debian13", SID])
def deployment(fleet: Fleet, request: pytest.FixtureRequest) -> Deployment:
    if request.param == SID:
        return deploy_sid(fleet)
    found: Deployment = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def bench(fleet: Fleet, deployment: Deployment) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield new_bench(fleet, deployment, stack)


def package(bench: Bench) -> str:
    return "matrix-synapse" if bench.host.debian == SID else "matrix-synapse-py3"


def version(bench: Bench) -> str:
    return bench.host.run("dpkg-query", "-W", "-f", "${Version}", package(bench)).stdout


def test_an_edit_holds_synapse_back_loudly_and_adopt_ends_that(bench: Bench) -> None:
    host = bench.host
    host.sh(f"echo '{OPTION}' >> {HOMESERVER}")
    edited = host.read(HOMESERVER)
    assert ADOPT in host.run("altpeter-matrix", "status").stdout

    before = version(bench)
    (newer,) = bench.stock.packages(Upgrade.SYNAPSE_HOMESERVER)
    bench.repository.publish([newer])
    done = at_terminal(host)
    assert (done.questions, version(bench)) == (0, before), done.output
    status = host.run("altpeter-matrix", "status", check=False)
    assert status.returncode == 1 and "is held back" in status.stdout, status.stdout
    assert "dpkg would ask" in status.stdout and ADOPT in status.stdout, status.stdout

    here = state_of(host)
    shown = host.run("altpeter-matrix", "adopt", "--dry-run").stdout
    assert "forget_rooms_on_leave" in shown and "-" + OPTION in shown, shown
    assert not difference(here, state_of(host))

    adopted = host.run("altpeter-matrix", "adopt", check=False)
    assert adopted.returncode == 0, adopted.stdout + adopted.stderr
    assert HOMESERVER not in host.run("dpkg", "--verify", package(bench), check=False).stdout
    assert OPTION in host.read(SYNAPSE)
    assert edited in [host.read(path) for path in host.sh(f"ls {REPLACED}/*/*").stdout.split()]
    host.run("altpeter-matrix", "upgrade", "check")
    assert_healthy(bench.server)

    done = unattended(host)
    assert (done.questions, version(bench)) == (0, field(newer, "Version")), done.output
    wait_until_serving(bench.server)
    assert_healthy(bench.server)
    answer = request(bench.server, WHO_AM_I, token=bench.token)
    assert bench.server.administrator in answer.body.decode()


@pytest.mark.parametrize("deployment", [SID], indirect=True)
def test_an_edit_that_cannot_be_adopted_holds_synapse_back_as_loudly(bench: Bench) -> None:
    host = bench.host
    packaged = host.read(ENVIRONMENT)
    host.sh(f"echo SYNAPSE_OF_MINE=1 >> {ENVIRONMENT}")
    assert f"{ENVIRONMENT}: was edited" in host.run("altpeter-matrix", "status").stdout
    before, newer = version(bench), bench.stock.newer_synapse(ENVIRONMENT)
    bench.repository.publish([newer])
    done = at_terminal(host)
    assert (done.questions, version(bench)) == (0, before), done.output
    status = host.run("altpeter-matrix", "status", check=False)
    assert status.returncode == 1 and "is held back" in status.stdout, status.stdout
    assert ENVIRONMENT in status.stdout and "updates.md" in status.stdout, status.stdout

    host.write(ENVIRONMENT, packaged)
    host.run("altpeter-matrix", "upgrade", "check")
    done = unattended(host)
    assert (done.questions, version(bench)) == (0, field(newer, "Version")), done.output
    assert_healthy(bench.server)
