"""What the package carries, and what it must never carry."""

import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import click
import pytest

from altpeter_matrix.cli import cli
from tests.package.builds import TOP

SCRIPTS = ("postinst", "prerm", "postrm")
FORBIDDEN_IN_SCRIPTS = re.compile(
    r"^\s*(apt|apt-get|aptitude|dpkg\s+--configure|dpkg\s+-i|curl|wget|"
    r"service|invoke-rc\.d|systemctl\s+(start|stop|restart|reload)|debconf-set-selections)\b",
    re.MULTILINE,
)


@pytest.fixture(scope="session")
def members(package: Path) -> list[tarfile.TarInfo]:
    archive = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        return tar.getmembers()


def control_field(package: Path, field: str) -> str:
    command = ["dpkg-deb", "--field", str(package), field]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_nothing_is_shipped_outside_usr(members: list[tarfile.TarInfo]) -> None:
    names = [member.name for member in members]
    assert [name for name in names if not name.startswith("./usr") and name != "."] == []


def test_there_is_no_conffile_that_dpkg_could_ask_about(unpacked: Path) -> None:
    assert not (unpacked / "DEBIAN/conffiles").exists()
    assert not (unpacked / "DEBIAN/config").exists()
    assert not (unpacked / "DEBIAN/templates").exists()


def test_no_link_is_shipped_because_dpkg_would_bring_back_a_deleted_one(
    members: list[tarfile.TarInfo],
) -> None:
    assert [member.name for member in members if not (member.isfile() or member.isdir())] == []


def test_files_belong_to_root_and_nobody_else_may_write_them(
    members: list[tarfile.TarInfo],
) -> None:
    for member in members:
        assert (member.uid, member.gid) == (0, 0), member.name
        wanted = {0o755} if member.isdir() else {0o644, 0o755}
        assert member.mode in wanted, f"{member.name}: {member.mode:o}"


def test_only_commands_and_hooks_are_executable(members: list[tarfile.TarInfo]) -> None:
    assert {m.name for m in members if m.isfile() and m.mode & 0o111} == {
        "./usr/lib/altpeter-matrix-config/certbot-deploy-hook",
        "./usr/sbin/altpeter-matrix",
    }


def test_every_template_and_module_of_the_checkout_is_in_it(checkout: Path, unpacked: Path) -> None:
    places = {
        checkout / "files/nginx": "usr/share/altpeter-matrix-config/nginx",
        checkout / "files/synapse": "usr/share/altpeter-matrix-config/synapse",
        checkout / "files/systemd": "usr/lib/systemd/system",
        checkout / "altpeter_matrix": "usr/lib/python3/dist-packages/altpeter_matrix",
    }
    for origin, target in places.items():
        for path in origin.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                shipped = unpacked / target / path.relative_to(origin)
                assert shipped.is_file(), f"{path.relative_to(checkout)} is not in the package"
                assert shipped.read_bytes() == path.read_bytes()


def test_the_dependencies_never_lose_synapse(package: Path) -> None:
    # unattended-upgrades would remove an automatically installed Synapse that a new version of
    # this package no longer depends on.
    depends = [item.strip() for item in control_field(package, "Depends").split(",")]
    assert "matrix-synapse-py3 | matrix-synapse" in depends
    for name in ("nginx", "openssl", "postgresql | postgresql-client"):
        assert name in depends
    assert control_field(package, "Architecture") == "all"


@pytest.mark.parametrize("name", SCRIPTS)
def test_maintainer_scripts_never_call_apt_the_network_or_a_service(
    unpacked: Path, name: str
) -> None:
    script = (unpacked / "DEBIAN" / name).read_text()
    assert not FORBIDDEN_IN_SCRIPTS.search(script)
    assert "confmodule" not in script


@pytest.mark.parametrize("name", [*SCRIPTS, "certbot-deploy-hook"])
def test_shell_scripts_please_shellcheck(name: str) -> None:
    path = TOP / "files/certbot" / name
    if name in SCRIPTS:
        path = TOP / "debian" / f"altpeter-matrix-config.{name}"
    done = subprocess.run(
        ["shellcheck", "--shell=sh", path], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_triggers_never_make_another_package_wait_for_ours(unpacked: Path) -> None:
    lines = (unpacked / "DEBIAN/triggers").read_text().splitlines()
    kinds = {line.split()[0] for line in lines if line and not line.startswith("#")}
    assert kinds == {"interest-noawait", "activate-noawait"}


def test_no_path_of_the_build_machine_is_in_it(checkout: Path, unpacked: Path) -> None:
    for path in unpacked.rglob("*"):
        if path.is_file():
            for place in (TOP, checkout):
                assert str(place).encode() not in path.read_bytes(), path


def test_the_manual_page_names_every_command_and_option() -> None:
    page = (TOP / "debian/altpeter-matrix.8").read_text().replace("\\-", "-")
    missing = []
    for name, command in cli.commands.items():
        group = command.commands if isinstance(command, click.Group) else {}
        leaves = [(f"{name} {leaf}", one) for leaf, one in group.items()] or [(name, command)]
        for full, leaf in leaves:
            if not re.search(rf"^\.BR? \"?{full}\b", page, re.MULTILINE):
                missing.append(full)
            options = [option for one in leaf.params for option in one.opts if option[0] == "-"]
            # --from-postinst is for the package alone.
            missing += [o for o in options if o not in page and o != "--from-postinst"]
    assert missing == []
