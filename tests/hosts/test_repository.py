"""An apt repository for our own package: a host walks through three releases of it, and back."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from scripts import publish, repository_key
from tests.hosts.deployments import TOP, Deployment, operations_changed, run_pyinfra
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Lab
from tests.hosts.probes import assert_healthy, login, request, wait_until_serving
from tests.package.releases import PACKAGE, release

# Two releases after the one of this checkout.
SECOND, THIRD = "97.0-1", "98.0-1"
SITE = "/var/lib/altpeter-matrix/current/nginx/site.conf"


@dataclass
class Publisher:
    """Publishes with the module of `make repo`, where the lab's web server shows it."""

    lab: Lab
    home: Path
    scratch: Path
    packages: list[Path] = field(default_factory=list)
    name: str = "altpeter"

    @property
    def uri(self) -> str:
        return f"http://packages.lab.test/{self.name}"

    @property
    def fingerprint(self) -> str:
        return repository_key.signing_key(self.home, None, self.directory).fingerprint

    @property
    def directory(self) -> Path:
        return self.lab.services.host.root / "srv/www" / self.name

    def publish(self, package: Path) -> None:
        with repository_key.no_agent_left(self.home):
            key = repository_key.signing_key(self.home, None, self.directory)
            publish.publish(self.directory, [package], key, self.uri)

    def release(self, version: str) -> Path:
        return release(built(), version, self.scratch)


def built() -> Path:
    """The package of this checkout."""
    (package,) = sorted((TOP / "dist").glob(f"{PACKAGE}_*_all.deb"))[-1:]
    return package


def installed(server: Deployment) -> str:
    return server.host.run("dpkg-query", "-W", "-f", "${Version}", PACKAGE).stdout


def upgrade(server: Deployment) -> str:
    """The real thing, as its timer runs it; what it said."""
    server.host.run("apt-get", "-q", "update")
    done = server.host.run("unattended-upgrade", "--verbose", timeout=600)
    return f"{done.stdout}\n{done.stderr}"


@pytest.fixture(
    scope="module", params=[pytest.param("debian12", marks=pytest.mark.upgrades), "debian13"]
)
def deployment(request: pytest.FixtureRequest) -> Deployment:
    found: Deployment = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def publisher(lab: Lab, deployment: Deployment) -> Iterator[Publisher]:
    """A repository for each server in turn: its releases appear while that server looks on."""
    del deployment
    # Not below the lab's directory: gpg's agent has a socket there, whose path must be short.
    with tempfile.TemporaryDirectory(prefix="repo-") as scratch:
        made = Publisher(lab, Path(scratch) / "key", Path(scratch))
        made.publish(built())
        yield made
    shutil.rmtree(made.directory)


@pytest.fixture(scope="module")
def server(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    """A server that got its package from a file, as the first deploy brings it."""
    server = clone(deployment, "repository")
    wait_until_serving(server)
    return server


@pytest.fixture(scope="module")
def inventory(fleet: Fleet, publisher: Publisher, server: Deployment) -> Callable[..., Path]:
    def write(**repository: Any) -> Path:
        wanted = {"uri": publisher.uri, "key_fingerprint": publisher.fingerprint, **repository}
        return fleet.inventory(server, data={"package_repository": wanted})

    return write


# The tests of this module are one story, told in order on each release.


def test_a_repository_that_is_none_is_refused_before_anything_changes(
    inventory: Callable[..., Path], server: Deployment
) -> None:
    for wrong, word in (
        ({"key_fingerprint": "0" * 40}, "does not give the host the key 0000"),
        ({"uri": "http://packages.lab.test/debian"}, "altpeter-matrix.asc: does not give"),
    ):
        refused = run_pyinfra(inventory(**wrong), "-y", check=False)
        assert refused.returncode != 0
        assert word in refused.stderr and "Nothing has been changed on any host" in refused.stderr
    assert server.host.sh("ls /etc/apt/sources.list.d").stdout.count("altpeter") == 0


def test_the_deploy_points_the_host_to_it_and_leaves_the_package(
    inventory: Callable[..., Path], server: Deployment
) -> None:
    before = installed(server)
    done = run_pyinfra(inventory(), "-y", "--json")
    assert operations_changed(done) == [
        "Trust the key of our package's repository",
        "Use our package's repository",
    ]
    assert installed(server) == before
    assert operations_changed(run_pyinfra(inventory(), "-y", "--json")) == []


@pytest.mark.parametrize("version", [SECOND, THIRD])
def test_a_release_installs_itself_and_nobody_is_logged_out(
    publisher: Publisher, server: Deployment, version: str
) -> None:
    token = login(server)
    publisher.publish(publisher.release(version))
    said = upgrade(server)
    assert installed(server) == version, said
    assert f"# release {version}" in server.host.read(SITE)
    assert_healthy(server)
    assert request(server, "/_matrix/client/v3/account/whoami", token=token).status == 200
    assert server.host.run("dpkg", "--audit").stdout == ""


def test_after_updates_the_deploy_has_nothing_to_do(inventory: Callable[..., Path]) -> None:
    assert operations_changed(run_pyinfra(inventory(), "-y", "--json")) == []


def test_going_back_takes_one_line_and_lasts(
    inventory: Callable[..., Path], server: Deployment
) -> None:
    token = login(server)
    run_pyinfra(inventory(version=SECOND), "-y")
    assert installed(server) == SECOND
    assert f"# release {SECOND}" in server.host.read(SITE)
    assert_healthy(server)
    said = upgrade(server)
    assert installed(server) == SECOND, said
    assert request(server, "/_matrix/client/v3/account/whoami", token=token).status == 200
    assert operations_changed(run_pyinfra(inventory(version=SECOND), "-y", "--json")) == []


def test_a_host_without_the_package_gets_it_from_there(
    inventory: Callable[..., Path], server: Deployment
) -> None:
    server.host.sh(f"DEBIAN_FRONTEND=noninteractive apt-get -qy remove {PACKAGE}")
    run_pyinfra(inventory(), "-y")
    assert installed(server) == THIRD
    assert_healthy(server)


def test_without_the_line_the_host_gets_the_file_again(
    fleet: Fleet, publisher: Publisher, server: Deployment
) -> None:
    newer = publisher.release("99.0-1")
    run_pyinfra(fleet.inventory(server, data={"package": str(newer)}), "-y")
    assert installed(server) == "99.0-1"
    files = server.host.sh("ls /etc/apt/sources.list.d /etc/apt/keyrings /etc/apt/preferences.d")
    # The package's own pins stay: they keep other packages away, whatever repositories there are.
    ours = files.stdout.replace("altpeter-lab", "").replace("zz-altpeter-matrix.pref", "")
    assert "altpeter" not in ours
    assert_healthy(server)
