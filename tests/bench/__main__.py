"""``python -m tests.bench``: measure, print a table, and fail when a limit is missed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.hosts.lab import Lab, LabError

from . import normal_path, nothing_to_do, restart, sized, unchanged_run, waiting_clients
from .first_deploy import FirstDeploy
from .pages import publish
from .result import Result, table

NAMES = (
    "first-deploy",
    "unchanged-run",
    "nothing-to-do",
    "restart",
    "waiting",
    "normal-path",
    "sized",
)


def main() -> None:
    arguments = parse(sys.argv[1:])
    results: list[Result] = []
    try:
        with Lab.open("bench") as lab:
            for debian in arguments.debian or ["12", "13"]:
                results += measure(lab, debian, arguments.only or NAMES, arguments.short)
    except LabError as error:
        sys.exit(f"error: {error}")
    finally:
        # Also after an error: what was measured until then took minutes.
        print(table(results))
    if arguments.publish:
        publish(results)
    if arguments.json:
        arguments.json.write_text(json.dumps([r.as_json() for r in results], indent=2) + "\n")
    missed = [result.name for result in results if not result.ok]
    if missed:
        sys.exit(f"error: too slow: {'; '.join(missed)}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="measure only this")
    parser.add_argument("--debian", action="append", choices=["12", "13"], help="default: both")
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    parser.add_argument(
        "--publish", action="store_true", help="write the tables of README.md and docs/ anew"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    return parser.parse_args(argv)


def measure(lab: Lab, debian: str, names: Sequence[str], short: bool) -> list[Result]:
    """All measurements on one release; they share the host deployed last."""
    results: list[Result] = []
    first = FirstDeploy(lab, debian)
    if "first-deploy" in names:
        results.append(first.measure(pairs=1 if short else 3))
    if "unchanged-run" in names:
        results += unchanged_run.measure(first.deployed(), pairs=5)
    if "nothing-to-do" in names:
        results.append(nothing_to_do.measure(first.deployed().host))
    if "restart" in names:
        results += restart.measure(first.deployed(), restarts=1 if short else 3)
    if "waiting" in names:
        results += waiting_clients.measure(first.deployed())
    if "normal-path" in names:
        results += normal_path.measure(first.deployed(), short=short)
    if "sized" in names:
        results += sized.measure(first.deployed(), short=short)
    first.switch_off()
    return results


if __name__ == "__main__":
    main()
