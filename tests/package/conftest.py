"""What the package's tests share."""

import subprocess
from pathlib import Path

import pytest

from tests.package.builds import build, copy_checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is tested, at one moment: somebody may go on editing while tests run."""
    return copy_checkout(tmp_path_factory.mktemp("checkout") / "main")


@pytest.fixture(scope="session")
def package(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The .deb built from this checkout."""
    return build(checkout, tmp_path_factory.mktemp("package")).package


@pytest.fixture(scope="session")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The .deb's files, and its control files under DEBIAN/."""
    target = tmp_path_factory.mktemp("unpacked") / "root"
    subprocess.run(["dpkg-deb", "--raw-extract", package, target], check=True)
    return target
