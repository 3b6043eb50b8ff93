"""What could be given back, and by which setting or command: never what a user of this server sent.

Only what is worth the trouble is named, so a small server reads nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..base.paths import Paths
from ..settings.model import Settings
from .media import REMOTE
from .model import Table, Usage
from .survey import APT, JOURNAL, OLD_CLUSTER, REPLACED

_MIB = 1024**2
_WORTH = 64 * _MIB
# Room within a table is used again by new rows, so less of it is normal.
_WORTH_IN_TABLE, _SHARE_IN_TABLE = 512 * _MIB, 0.3


@dataclass(frozen=True)
class GivingBack:
    """what: in a person's words; size: bytes, at most; how: a command, or the setting."""

    what: str
    size: int
    how: str


def possible(paths: Paths, usage: Usage, settings: Settings | None) -> tuple[GivingBack, ...]:
    """The largest first. settings: None where they cannot be read."""
    found = [*_simple(paths, usage, settings), *map(_of_table, filter(_is_worth, usage.tables))]
    return tuple(sorted(found, key=lambda one: one.size, reverse=True))


def _simple(paths: Paths, usage: Usage, settings: Settings | None) -> Iterator[GivingBack]:
    kept = None if settings is None else settings.media.remote_retention
    now = f"now {kept}" if kept else "now for ever"
    ways = {
        REMOTE: (
            "copies of other servers' media",
            f"a shorter media.remote_retention in {paths.settings} ({now}), then"
            " `altpeter-matrix apply`; Synapse fetches them again when somebody asks for them",
        ),
        JOURNAL: (
            "journal", "`journalctl --vacuum-size=200M`; SystemMaxUse in journald.conf(5) bounds it"
        ),
        APT: ("packages that apt has downloaded", "`apt-get clean`"),
        OLD_CLUSTER: (
            "the old PostgreSQL",
            "`altpeter-matrix database upgrade --finish`; there is no way back to it then",
        ),
        REPLACED: (
            "files that were changed by hand", f"remove what you do not need in {paths.replaced}"
        ),
    }  # fmt: skip
    for key, (what, how) in ways.items():
        part = usage.part(key)
        if part is not None and part.size >= _WORTH:
            yield GivingBack(what, part.size, how)
    if usage.wasted_by_indexes:
        by_itself = settings is None or settings.reclaim.enabled
        yield GivingBack(
            "room in indexes that no row fills",
            usage.wasted_by_indexes,
            ("by itself at night; " if by_itself else "")
            + "at once: `altpeter-matrix usage reclaim`",
        )


def _is_worth(table: Table) -> bool:
    unfilled = table.unfilled or 0
    return unfilled >= _WORTH_IN_TABLE and unfilled >= _SHARE_IN_TABLE * (
        table.size - table.indexes
    )


def _of_table(table: Table) -> GivingBack:
    return GivingBack(
        f"room in table {table.name} that no row fills",
        table.unfilled or 0,
        "new rows fill it by and by; at once by `VACUUM FULL`, as Synapse's role and with Synapse"
        " stopped, where there is room for a second copy of the table",
    )
