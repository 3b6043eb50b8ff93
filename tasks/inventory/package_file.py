"""The .deb of our own package on the administrator's machine."""

import re
from pathlib import Path

from pyinfra.api import Host

from altpeter_matrix.base.errors import Problem

from ..base.packages import PACKAGE
from ..base.paths import TOP

_PACKAGE_FILE = re.compile(rf"{PACKAGE}_(?P<version>[^_]+)_all\.deb")


def package_file(host: Host, problems: list[Problem]) -> tuple[Path, str]:
    """The .deb to install: the one named in the inventory, or the one that `make deb` built."""
    named = host.data.get("package")
    path = TOP / str(named) if named else _built_package()
    match = path and _PACKAGE_FILE.fullmatch(path.name)
    if path is None or not path.is_file():
        problems.append(
            Problem(
                str(path or "dist/"),
                f"there is no {PACKAGE} package",
                "run `make deb` first" if not named else "run `make deb`, or correct `package`",
            )
        )
    elif not match:
        problems.append(
            Problem(str(path), f"is not named {PACKAGE}_VERSION_all.deb", "run `make deb`")
        )
    return path or Path(), match["version"] if match else ""


def _built_package() -> Path | None:
    """The package of this checkout's version, which the changelog names."""
    changelog = TOP / "debian/changelog"
    match = re.match(r"\S+ \((?P<version>[^)]+)\)", changelog.read_text(encoding="utf-8"))
    return TOP / f"dist/{PACKAGE}_{match['version']}_all.deb" if match else None
