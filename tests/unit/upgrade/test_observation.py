"""What the health gate reads of dpkg."""

import os
from pathlib import Path

import pytest

from altpeter_matrix.apt.release import Release
from altpeter_matrix.base.paths import Paths
from altpeter_matrix.upgrade import observation
from altpeter_matrix.upgrade.observation import Installed

from ..fake_host import FakeHost
from ..host_fixtures import fresh, serving

__all__ = ["fresh", "serving"]

RELEASE = Release("matrix-synapse-py3", "1.2")


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("install ok installed", Installed(RELEASE)),
        ("install ok half-configured", Installed(RELEASE, "half-configured")),
        ("install reinstreq half-installed", Installed(RELEASE, "half-installed", unfit=True)),
        # Cut off while it removed what the version before had left.
        ("install reinstreq unpacked", Installed(RELEASE, "unpacked", unfit=True)),
        ("deinstall ok config-files", None),
    ],
)
def test_dpkgs_own_database_says_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str, found: Installed | None
) -> None:
    (tmp_path / "status").write_text(
        f"Package: {RELEASE.package}\nStatus: {status}\nMaintainer: nobody\n"
        f"Architecture: all\nVersion: {RELEASE.version}\nDescription: none\n\n"
    )
    monkeypatch.setenv("DPKG_ADMINDIR", str(tmp_path))
    assert observation.installed() == found


def test_what_dpkg_does_not_go_on_with_has_to_be_installed_anew() -> None:
    assert Installed(RELEASE, "unpacked", unfit=True).half_replaced
    assert Installed(RELEASE, "half-installed").half_replaced
    assert not Installed(RELEASE, "unpacked").half_replaced


@pytest.mark.parametrize(
    ("began", "pid", "before"),
    [("@1000", "7", True), ("@1002", "7", False), ("@1000", "0", False), ("", "7", False)],
)
def test_what_began_before_dpkg_unpacked_the_version_is_the_one_before(
    tmp_path: Path, began: str, pid: str, *, before: bool
) -> None:
    listed = tmp_path / f"var/lib/dpkg/info/{RELEASE.package}.list"
    listed.parent.mkdir(parents=True)
    listed.touch()
    os.utime(listed, (1002, 1002))
    unit = {"ExecMainStartTimestamp": began, "MainPID": pid}
    assert observation.began_before(Paths(tmp_path), RELEASE.package, unit) == before
    listed.unlink()
    assert not observation.began_before(Paths(tmp_path), RELEASE.package, unit)


def test_only_files_that_synapse_reads_are_its_excuse(serving: FakeHost) -> None:
    current = serving.paths.current
    assert not observation.spoilt(serving.paths)
    (current / "nginx/site.conf").chmod(0)
    assert not observation.spoilt(serving.paths)
    (current / "synapse/altpeter-matrix.yaml").chmod(0)
    assert observation.spoilt(serving.paths)
