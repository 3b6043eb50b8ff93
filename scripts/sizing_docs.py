"""Write the table of docs/sizing.md from the rule; with --check only compare."""

import argparse
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from altpeter_matrix.settings.sizing import GIB, MIB, Sizes, sizes  # noqa: E402

PAGE = TOP / "docs" / "sizing.md"
BEGIN = "<!-- make docs: begin -->"
END = "<!-- make docs: end -->"
# Memory in MiB and processors, as such machines are sold.
MACHINES = (
    (512, 1), (1024, 1), (2048, 2), (4096, 2), (8192, 4), (16384, 4), (32768, 8), (65536, 16),
)  # fmt: skip
HEADER = (
    "memory", "processors", "`shared_buffers`", "`effective_cache_size`", "`work_mem`",
    "`maintenance_work_mem`", "`autovacuum_work_mem`", "`max_wal_size`", "Synapse's memory",
    "`global_factor`", "connections", "all at once",
)  # fmt: skip


def main() -> int:
    """Write the page, or say that it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    made = f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"
    if not check:
        PAGE.write_text(made, encoding="utf-8")
        return 0
    if made != text:
        print("error: docs/sizing.md: its table is not what the rule says; run `make docs`")
        return 1
    return 0


def table() -> str:
    """A line for each machine."""
    rows = [HEADER, ("---:",) * len(HEADER)]
    rows += [_row(memory * MIB, processors) for memory, processors in MACHINES]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(memory: int, processors: int) -> tuple[str, ...]:
    found: Sizes = sizes(memory, processors)
    return (
        _size(memory), str(processors), _size(found.shared_buffers),
        _size(found.effective_cache_size), _size(found.work_mem), _size(found.maintenance_work_mem),
        _size(found.autovacuum_work_mem), _size(found.max_wal_size), _size(found.cache_memory),
        f"{found.cache_factor:g}", str(found.connections), f"{found.planned * 100 // memory} %",
    )  # fmt: skip


def _size(size: int) -> str:
    return f"{size // GIB} GB" if size % GIB == 0 else f"{size // MIB} MB"


if __name__ == "__main__":
    sys.exit(main())
