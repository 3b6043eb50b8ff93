"""Synapse's schema numbers: which versions can go on with a database that another one changed.

A version refuses a database whose `schema_compat_version` is above its own SCHEMA_VERSION.
"""

import re
import subprocess
import tarfile
from pathlib import Path

from ..base.errors import HostError
from ..base.paths import Paths
from ..postgresql.connection import Statement, as_synapse, number

# Below the directory of Python's packages.
FILE = "synapse/storage/schema/__init__.py"
_PLACES = (
    "opt/venvs/matrix-synapse/lib/python3*/site-packages",
    "usr/lib/python3/dist-packages",
)
_COMPAT = Statement("select max(compat_version) from schema_compat_version")


def schema_version(text: str) -> int | None:
    """SCHEMA_VERSION in the text of Synapse's module; None when it is not there."""
    found = re.search(r"^SCHEMA_VERSION\s*=\s*(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else None


def compat_version(text: str) -> int | None:
    """SCHEMA_COMPAT_VERSION likewise: a number, or one in parentheses with comments."""
    found = re.search(r"^SCHEMA_COMPAT_VERSION\s*=\s*(\((?:.|\n)*?^\)|.*$)", text, re.MULTILINE)
    code = re.sub(r"#.*", "", found.group(1)) if found else ""
    number = re.search(r"\d+", code)
    return int(number.group()) if number else None


def of_package(deb: Path) -> int | None:
    """SCHEMA_VERSION of the Synapse in a .deb; None when it cannot be told."""
    reader = subprocess.Popen(
        ["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        with tarfile.open(fileobj=reader.stdout, mode="r|") as archive:
            for member in archive:
                if member.name.endswith(f"/{FILE}") and (file := archive.extractfile(member)):
                    return schema_version(file.read().decode(errors="replace"))
    except tarfile.TarError:
        return None
    finally:
        reader.kill()
        reader.wait()
        if reader.stdout:
            reader.stdout.close()
    return None


def demanded_now(paths: Paths, database_name: str | None) -> int | None:
    """The least SCHEMA_VERSION that the database accepts; None when it cannot be told.

    A database elsewhere is not asked: it may demand what the installed code does.
    """
    if database_name is not None:
        try:
            [found] = as_synapse(database_name, _COMPAT)
        except HostError:
            found = []
        if (demanded := number(found)) is not None:
            return demanded
    for place in _PLACES:
        for file in paths.root.glob(f"{place}/{FILE}"):
            return compat_version(file.read_text(encoding="utf-8", errors="replace"))
    return None
