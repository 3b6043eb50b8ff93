"""``python -m tests.hosts.lab prepare|clean [NAME]|clean --caches``."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from .authority import authority
from .errors import LabError
from .layout import CACHE, LAB, RELEASES
from .leftovers import clean
from .prepare import Needs, prepare
from .requirements import require


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.hosts.lab")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="build base images and packages, so that later runs do not")
    cleaning = commands.add_parser("clean", help="remove what a dead or kept lab left running")
    cleaning.add_argument("name", nargs="?", help="only the lab of this name (default: all)")
    cleaning.add_argument("--caches", action="store_true", help="also remove images and snapshots")
    arguments = parser.parse_args()
    try:
        require()
        if arguments.command == "prepare":
            authority()
            prepare(Needs(), images=tuple(RELEASES))
        else:
            for name in [arguments.name] if arguments.name else _names():
                clean(name)
            if arguments.caches and CACHE.is_dir():
                shutil.rmtree(CACHE)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def _names() -> list[str]:
    def is_lab(path: Path) -> bool:
        return (path / "lock").exists()

    return sorted(path.name for path in LAB.glob("*") if is_lab(path))


if __name__ == "__main__":
    raise SystemExit(main())
