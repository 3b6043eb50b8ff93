"""Whether what is installed gets updates."""

import os
import time
from pathlib import Path

import pytest

from altpeter_matrix.base.commands import Result
from altpeter_matrix.settings.model import load_settings
from altpeter_matrix.status import looks
from altpeter_matrix.status.checks import software

from .given import Given

SETTINGS = load_settings({"server_name": "example.org"}, source="test")
POLICY = """\
matrix-synapse-py3:
  Installed: 1.163.2
  Candidate: 1.163.2
  Version table:
 *** 1.163.2 500
{}        100 /var/lib/dpkg/status
"""
CSV = (
    "version,codename,series,created,release,eol,eol-lts,eol-elts\n"
    "12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-06-10,{},2033-06-30\n"
)


def write(root: Path, name: str, text: str = "") -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def says(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(software, "run", lambda *argv, **_options: Result(argv, 0, text, ""))


def ids(look: object, given: Given) -> list[str]:
    return [one.id for one in look(given)]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("shown", "options"),
    [
        ("V0='1'\nV1='1'\n", []),
        ("V0='always'\nV1='1'\nV2='1'\n", []),
        ("V0='0'\nV1='1'\n", ["APT::Periodic::Unattended-Upgrade"]),
        ("V1='1'\nV2='0'\n", ["APT::Periodic::Unattended-Upgrade", "APT::Periodic::Enable"]),
    ],
)
def test_apt_is_told_to_install_updates(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shown: str, options: list[str]
) -> None:
    given = Given({looks.settings: SETTINGS}, tmp_path)
    assert ids(software.unattended, given) == ["unattended-upgrades-missing"]
    write(tmp_path, "usr/bin/unattended-upgrade")
    says(monkeypatch, shown)
    assert [dict(one.values)["option"] for one in software.unattended(given)] == options


def test_packages_on_hold(tmp_path: Path) -> None:
    write(
        tmp_path, "var/lib/dpkg/status",
        "Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: hold ok installed\n",
    )  # fmt: skip
    assert [dict(one.values) for one in software.holds(Given({}, tmp_path))] == [{"package": "b"}]


@pytest.mark.parametrize(
    ("place", "faults"),
    [
        ("        500 https://packages.matrix.org/debian trixie/main amd64 Packages\n", []),
        ("        -1 file:/srv/debian ./ Packages\n", []),
        ("", ["synapse-repository-missing"]),
    ],
)
def test_where_synapse_comes_from(
    monkeypatch: pytest.MonkeyPatch, place: str, faults: list[str]
) -> None:
    says(monkeypatch, POLICY.format(place))
    installed = {"matrix-synapse-py3": looks.Package("1.163.2", "installed")}
    assert ids(software.repository, Given({looks.packages: installed})) == faults


@pytest.mark.parametrize(("ends", "count"), [("2999-01-01", 0), ("2001-01-01", 1), ("", 1)])
def test_the_end_of_a_release(tmp_path: Path, ends: str, count: int) -> None:
    """Without long-term support that of the security team counts."""
    write(tmp_path, "etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
    given = Given({}, tmp_path)
    assert ids(software.release, given) == [], "nobody here knows"
    write(tmp_path, "usr/share/distro-info/debian.csv", CSV.format(ends))
    assert ids(software.release, given) == ["release-without-updates"] * count


def test_the_age_of_the_lists(tmp_path: Path) -> None:
    given = Given({}, tmp_path)
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    assert ids(software.lists, given) == []
    old = time.time() - 8 * 86400
    os.utime(lists, (old, old))
    assert ids(software.lists, given) == ["package-lists-old"]
    write(tmp_path, "var/lib/apt/periodic/update-stamp")
    assert ids(software.lists, given) == [], "apt's timer has found nothing new"


def test_updates_that_were_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = Given({}, tmp_path)
    says(
        monkeypatch,
        "Inst openssl [3.0.17] (3.0.18 Debian-Security:12/oldstable-security [amd64])\n"
        "Inst vim [9.0] (9.1 Debian:12.13/oldstable [amd64])\n"
        "Inst new (1 Debian-Security:12/oldstable-security [amd64])\n",
    )
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    assert ids(software.passed_over, given) == [], "it has not run yet"
    stamp = write(tmp_path, "var/lib/apt/periodic/upgrade-stamp")
    [found] = software.passed_over(given)
    assert dict(found.values) == {"package": "openssl"}
    before = lists.stat().st_mtime - 60
    os.utime(stamp, (before, before))
    assert ids(software.passed_over, given) == [], "it did not know of them"
