"""What the lab takes from the machine it runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from .lab import LabUnavailable
from .lab.controller import KEYRING, apt_sources

DEB822 = """
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /somewhere

# Types: deb

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main

Types: deb
URIs: http://other.example/node
Suites: nodistro
Components: main
"""
ONE_LINE = """
deb [signed-by=/k arch=amd64] http://mirror.example/debian bookworm main contrib # ours
deb http://mirror.example/debian bookworm-updates main contrib
deb http://mirror.example/debian-security/ bookworm-security main
deb-src http://source.example/debian bookworm main
deb http://other.example/debian-like cloud-bookworm main
"""


def root_with(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text"),
    [("sources.list.d/debian.sources", DEB822), ("sources.list", ONE_LINE)],
)
def test_a_hosts_suites_follow_the_controllers_archives(
    tmp_path: Path, name: str, text: str
) -> None:
    sources = apt_sources("trixie", "bookworm", root_with(tmp_path, name, text))
    fields = [line.split(": ", 1) for line in sources.splitlines() if line]
    assert {value for key, value in fields if key == "URIs"} == {
        "http://mirror.example/debian",
        "http://mirror.example/debian-security/",
    }
    suites = {word for key, value in fields if key == "Suites" for word in value.split()}
    assert suites == {"trixie", "trixie-updates", "trixie-security"}
    assert all(value == KEYRING for key, value in fields if key == "Signed-By")


def test_sid_has_only_one_suite(tmp_path: Path) -> None:
    root = root_with(tmp_path, "sources.list.d/debian.sources", DEB822)
    sources = apt_sources("sid", "bookworm", root)
    assert "Suites: sid\n" in sources
    assert "sid-" not in sources and "security" not in sources


def test_mirror_lists_of_cloud_images_are_followed(tmp_path: Path) -> None:
    mirrors = tmp_path / "mirrors.list"
    mirrors.write_text("# first one\nhttp://cloud.example/debian\thigh\n")
    text = DEB822.replace("http://mirror.example/debian\n", f"mirror+file://{mirrors}\n")
    root = root_with(tmp_path, "sources.list.d/debian.sources", text)
    assert "URIs: http://cloud.example/debian\nSuites: trixie trixie-updates\n" in apt_sources(
        "trixie", "bookworm", root
    )


def test_a_controller_without_debian_archive_is_told_so(tmp_path: Path) -> None:
    root = root_with(tmp_path, "sources.list", "deb http://other.example/x bookworm main\n")
    with pytest.raises(LabUnavailable, match="no apt source for Debian bookworm"):
        apt_sources("trixie", "bookworm", root)
