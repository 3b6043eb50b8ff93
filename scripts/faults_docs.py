"""Write docs/faults.md from files/faults/; with --check only compare."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from altpeter_matrix.status.catalogue import Fault, read  # noqa: E402
from altpeter_matrix.status.check import Check  # noqa: E402
from altpeter_matrix.status.checks import ASKING, SUBJECTS  # noqa: E402

PAGE = TOP / "docs" / "faults.md"

INTRODUCTION = """\
# What `altpeter-matrix status` finds

<!-- Written by `make docs` from files/faults/; edit that instead. -->

Each fault has an ID, which stays the same: `altpeter-matrix status --json` names it, monitoring
can go by it, and `altpeter-matrix status --explain ID` prints what stands here. An *error* means
that the server is ill (exit status 1), a *warning* that somebody should know (0), *unknown* that it
could not be asked (2). What stands in braces is filled in on the host. Where a remedy begins with a
command, that command, run as root, ends the fault.
"""


def main() -> int:
    """Write the page, or say that it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = page()
    if not check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        print("error: docs/faults.md: is not what the catalogue says; run `make docs`")
        return 1
    return 0


def page() -> str:
    """The whole page: a section for each subject, in the order in which they are asked."""
    parts = [INTRODUCTION]
    for subject in SUBJECTS:
        name = subject.__name__.rpartition(".")[2]
        parts += _subject(name, str(subject.__doc__), read([name]), subject.CHECKS)
    parts += _subject(ASKING, "Of every check.", read([ASKING]), ())
    return "\n".join(parts)


def _subject(
    name: str, text: str, faults: Mapping[str, Fault], checks: tuple[Check, ...]
) -> Iterator[str]:
    yield f"## {name.replace('_', ' ').capitalize()}\n"
    yield f"{' '.join(text.split())}\n"
    for fault in faults.values():
        yield f"### {fault.id}\n"
        yield f"{fault.asks}\n"
        yield "\n".join(f"- {fact}" for fact in _facts(fault, checks)) + "\n"


def _facts(fault: Fault, checks: tuple[Check, ...]) -> Iterator[str]:
    daily = any(fault.id in check.faults and check.daily for check in checks)
    yield f"{fault.severity.capitalize()}{', asked daily' if daily else ''}"
    yield f"Found: {fault.says}" if fault.own_words else f"Found: `{fault.where}` {fault.says}"
    yield f"Remedy: {fault.remedy}"
    yield f"More: [{fault.page}]({fault.page})"


if __name__ == "__main__":
    sys.exit(main())
