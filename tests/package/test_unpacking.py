"""dpkg replaces a package file by file, in the order of the archive, and may be killed between any
two: until it is repaired, what units of the release before name by module still has to start."""

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.hosts import previous_release
from tests.package.builds import TOP

pytestmark = previous_release.needed

MODULES = "usr/lib/python3/dist-packages"
# Renames file after file as dpkg does, then removes what only the old one had; after each, starts
# the programs in a process of their own, which ends where they would touch the machine.
WALK = """
import json, os, pathlib, runpy, shutil, sys

old, new, order, programs = json.load(sys.stdin)
sys.dont_write_bytecode = True
sys.path.insert(0, old)


def forbidden(*_):
    raise PermissionError


def starts(program):
    child = os.fork()
    if child == 0:
        pathlib.Path.touch = forbidden
        os.environ.pop("LISTEN_FDS", None)
        for number in range(3, 9):
            try:
                os.close(number)
            except OSError:
                pass
        try:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        except OSError:
            os._exit(0)
        except BaseException as error:
            print(f"{program}: {error!r}")
            sys.stdout.flush()
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def look(after):
    for program in programs:
        if not starts(program):
            print(f"  after {after}")
    sys.stdout.flush()


ours = {path for path in order if path.endswith(".py")}
theirs = {str(path.relative_to(old)) for path in pathlib.Path(old).rglob("*.py")}
for path in order:
    if path.endswith("/"):
        os.makedirs(os.path.join(old, path), exist_ok=True)
look("nothing")
for path in order:
    if path in ours:
        shutil.copy(os.path.join(new, path), os.path.join(old, path))
        look(path)
for path in sorted(theirs - ours):
    os.unlink(os.path.join(old, path))
    look("removal of " + path)
"""


def unpack(package: Path, target: Path) -> Path:
    subprocess.run(["dpkg-deb", "--extract", package, target], check=True)
    return target / MODULES


def order(package: Path) -> list[str]:
    """The modules, and directories of modules, in the order of the archive."""
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True)
    names = subprocess.run(["tar", "-t"], input=tar.stdout, check=True, capture_output=True)
    top = f"./{MODULES}/"
    lines = names.stdout.decode().splitlines()
    return [line.removeprefix(top) for line in lines if line.startswith(f"{top}altpeter_matrix/")]


def test_what_loses_requests_when_missing_starts_between_any_two_files(
    package: Path, tmp_path: Path
) -> None:
    old, new = previous_release.package(), package
    programs = ["altpeter_matrix.drain", "altpeter_matrix.hold"]
    walk = [
        str(unpack(old, tmp_path / "old")),
        str(unpack(new, tmp_path / "new")),
        order(new),
        programs,
    ]
    done = subprocess.run(
        [sys.executable, "-I", "-c", WALK],
        input=json.dumps(walk), check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_page_on_upgrades_names_each_new_dependency(package: Path) -> None:
    new = previous_release.new_dependencies(package)
    assert new, "then docs/upgrades.md says too much"
    page = (TOP / "docs/upgrades.md").read_text()
    install = re.search("`apt-get install (.*)` first", page)
    assert install and set(install[1].split()) == new
