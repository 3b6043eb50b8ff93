"""What the package carries, and what it must never carry."""

import ast
import os
import re
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import click
import pytest

from altpeter_matrix.base.resources import DOCUMENTS
from altpeter_matrix.cli.main import cli
from tests.package.builds import TOP

SCRIPTS = ("config", "preinst", "postinst", "prerm", "postrm")
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


def test_it_has_one_question_in_english_and_german(unpacked: Path) -> None:
    templates = (unpacked / "DEBIAN/templates").read_text()
    types = re.findall(r"^Template: \S+/(\S+)\nType: (\S+)", templates, re.MULTILINE)
    assert sorted(types) == [("bad-server-name", "error"), ("server-name", "string")]
    assert templates.count("\nDescription-de.UTF-8: ") == 2


def test_no_link_that_an_administrator_may_delete_is_shipped(
    members: list[tarfile.TarInfo],
) -> None:
    """dpkg would bring it back."""
    links = [member.name for member in members if not (member.isfile() or member.isdir())]
    assert [name for name in links if not name.startswith("./usr/lib/")] == []


def test_files_belong_to_root_and_nobody_else_may_write_them(
    members: list[tarfile.TarInfo],
) -> None:
    for member in members:
        assert (member.uid, member.gid) == (0, 0), member.name
        wanted = {0o755} if member.isdir() else {0o644, 0o755}
        if member.issym():
            wanted = {0o777}  # as every link
        assert member.mode in wanted, f"{member.name}: {member.mode:o}"


def test_only_commands_and_hooks_are_executable(members: list[tarfile.TarInfo]) -> None:
    assert {m.name for m in members if m.isfile() and m.mode & 0o111} == {
        "./usr/lib/altpeter-matrix-config/apt-hook",
        "./usr/lib/altpeter-matrix-config/certbot-deploy-hook",
        "./usr/sbin/altpeter-matrix",
    }


def test_every_template_and_module_of_the_checkout_is_in_it(checkout: Path, unpacked: Path) -> None:
    places = {
        checkout / "files/faults": "usr/share/altpeter-matrix-config/faults",
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


def test_it_depends_on_nothing_outside_debian_but_synapse(package: Path) -> None:
    """Each of these is in Debian 12 and 13; what is added here has to be looked up first."""
    names = re.findall(
        r"[a-z][a-z0-9.+-]+", re.sub(r"\(.*?\)", "", control_field(package, "Depends"))
    )
    outside = {"matrix-synapse-py3"}
    assert set(names) - outside == {
        "any", "debconf", "debconf-2.0", "gpg", "matrix-synapse", "nginx", "openssl", "postgresql",
        "postgresql-client", "python3", "python3-click", "python3-dnspython", "python3-jinja2",
        "python3-jsonschema", "python3-psycopg2", "python3-rich", "python3-yaml",
    }  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_maintainer_scripts_never_call_apt_the_network_or_a_service(
    unpacked: Path, name: str
) -> None:
    script = (unpacked / "DEBIAN" / name).read_text()
    assert not FORBIDDEN_IN_SCRIPTS.search(script)
    # Of our own script; debhelper has postrm forget the answers.
    theirs = r"# Automatically added by.*?# End automatically added section"
    ours = re.sub(theirs, "", script, flags=re.DOTALL)
    assert ("/usr/share/debconf/confmodule" in ours) == (name in {"config", "postinst"})


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


def test_the_documents_for_a_host_are_there_and_need_no_unpacking(unpacked: Path) -> None:
    folder = unpacked / "usr/share/doc/altpeter-matrix-config"
    for page in (TOP / "docs").glob("*.md"):
        assert (folder / page.name).read_bytes() == page.read_bytes()
    # What errors, units and comments in generated files send their reader to.
    sources = [*(TOP / "altpeter_matrix").rglob("*.py"), *TOP.glob("files/systemd/*.service")]
    told = {name for path in sources for name in re.findall(r"[\w-]+\.md\b", path.read_text())}
    assert {"upgrades.md", "settings.md"} <= told
    assert [name for name in told if not (folder / name).is_file()] == []
    manual = (TOP / "debian/altpeter-matrix.8").read_text().replace("\\-", "-")
    assert f".I {DOCUMENTS}/\n" in manual
    assert (folder / "changelog.gz").exists() and (folder / "changelog.Debian.gz").exists()


def test_messages_name_the_documents_where_the_package_has_them(unpacked: Path) -> None:
    modules = unpacked / "usr/lib/python3/dist-packages"
    code = (
        "import sys; from altpeter_matrix.base.resources import document;"
        " print(document(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, "undo.md"],
        env={"PYTHONPATH": str(modules)}, cwd="/", check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == f"{DOCUMENTS}/undo.md"
    # docs/ is in the checkout alone.
    told = [text for path in modules.rglob("*.py") for text in strings(path) if "docs/" in text]
    files = (path for path in unpacked.glob("usr/share/altpeter*/**/*") if path.is_file())
    assert told + [path.name for path in files if "docs/" in path.read_text()] == []


def strings(module: Path) -> list[str]:
    """The strings in a module that are not there to explain it."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    explaining = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in nodes
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in explaining
    ]


def test_the_shell_completes_every_command_and_option() -> None:
    """The completion in files/bash-completion asks the tool, in this way."""

    def completed(*words: str) -> set[str]:
        variables = {
            "_ALTPETER_MATRIX_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["altpeter-matrix", *words]),
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(
            [sys.executable, TOP / "scripts/altpeter-matrix"],
            env={**os.environ, "PYTHONPATH": str(TOP), **variables},
            check=True,
            capture_output=True,
            text=True,
        )
        return {line.partition(",")[2] for line in done.stdout.splitlines()}

    assert completed("") >= set(cli.commands)
    for name, command in cli.commands.items():
        options = {option for one in command.params for option in one.opts if option[0] == "-"}
        assert completed(name, "--") >= options
    assert completed("user", "") == {"create"}
