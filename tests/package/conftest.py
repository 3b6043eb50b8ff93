"""What the package's tests share."""

import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.hosts.lab import LabUnavailable, require
from tests.package.builds import build, copy_checkout, made_once
from tests.package.chroots import INSTALL, Chroot, ready_layers, sweep

NAMES = count(1)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of all processes of this run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def checkout(shared: Path) -> Path:
    """What is tested, at one moment: somebody may go on editing while tests run."""
    return made_once(shared / "checkout", copy_checkout)


@pytest.fixture(scope="session")
def package(checkout: Path, shared: Path) -> Path:
    """The .deb built from this checkout, once for all processes of a run."""
    built = made_once(shared / "package", lambda place: build(checkout, place).package)
    (found,) = (built / "dist").glob("*.deb")
    return found


@pytest.fixture(scope="session")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The .deb's files, and its control files under DEBIAN/."""
    target = tmp_path_factory.mktemp("unpacked") / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", package, target], check=True)
    return target


@pytest.fixture(scope="session", params=["12", "13"])
def debian(request: pytest.FixtureRequest) -> str:
    try:
        require()
    except LabUnavailable as missing:
        pytest.fail(f"no chroots: {missing}", pytrace=False)
    sweep()
    return str(request.param)


@pytest.fixture(scope="session")
def bare(debian: str) -> list[Path]:
    """The layers of a system that has everything but our package."""
    return ready_layers(debian)


@pytest.fixture(scope="session")
def installed(debian: str, bare: list[Path], package: Path) -> Iterator[list[Path]]:
    """The layers of a system on which our package has been installed."""
    chroot = Chroot(f"installed-{debian}-pid{os.getpid()}", bare, package)
    chroot.run(INSTALL)
    yield [chroot.upper, *bare]
    chroot.remove()


@pytest.fixture
def system(debian: str, installed: list[Path], package: Path) -> Iterator[Chroot]:
    """A system of the test's own with our package on it."""
    chroot = Chroot(f"{debian}-pid{os.getpid()}-{next(NAMES)}", installed, package)
    yield chroot
    chroot.remove()


@pytest.fixture
def before(debian: str, bare: list[Path], package: Path) -> Iterator[Chroot]:
    """A system of the test's own before our package comes."""
    chroot = Chroot(f"{debian}-pid{os.getpid()}-{next(NAMES)}", bare, package)
    yield chroot
    chroot.remove()
