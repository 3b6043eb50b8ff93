"""debian/tests, run by autopkgtest itself inside a booted host."""

import re
import shutil
from collections.abc import Callable

import pytest

from tests.hosts.deployments import TOP, Deployment
from tests.hosts.probes import wait_until_serving
from tests.hosts.releases import on_one_release

TREE = "/root/tree"


@pytest.fixture(scope="module")
def server(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    server = clone(deployment, "autopkgtest")
    wait_until_serving(server)
    return server


@on_one_release
def test_every_autopkgtest_passes_and_none_is_skipped(server: Deployment) -> None:
    host = server.host
    (package,) = sorted((TOP / "dist").glob("altpeter-matrix-config_*_all.deb"))[-1:]
    shutil.copy(package, host.root / "root")
    shutil.copytree(TOP / "debian", host.root / TREE.lstrip("/") / "debian")
    host.sh(
        "apt-get -q update; DEBIAN_FRONTEND=noninteractive "
        "apt-get -qy install --no-install-recommends autopkgtest </dev/null",
        timeout=600,
    )
    done = host.run(
        *("autopkgtest", "--ignore-restrictions=isolation-container", "--no-built-binaries"),
        *(f"/root/{package.name}", f"{TREE}/", "--", "null"),
        check=False,
        timeout=900,
    )
    said = f"{done.stdout}\n{done.stderr}"
    # 2 and 8 would mean that some or all were skipped.
    assert done.returncode == 0, said[-6000:]
    control = (TOP / "debian/tests/control").read_text()
    tests = re.findall(r"[\w-]+", control.partition("Tests:")[2].partition("\n")[0])
    passed = re.findall(r"^([\w-]+) +PASS", said, re.MULTILINE)
    assert list(dict.fromkeys(passed)) == tests
