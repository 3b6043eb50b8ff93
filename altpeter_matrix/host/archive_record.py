"""What became of the last backup by pgBackRest: written by that, told by `status`."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..base.paths import Paths
from ..base.state_file import StateFile, known_fields


@dataclass(frozen=True)
class ArchiveRecord:
    """Times in seconds since 1970; 0: never. place: the directory that holds this server's archive.
    problem: why the last run failed, in three texts. lost: whether something that PostgreSQL wrote
    since the newest backup is missing."""

    place: str = ""
    attempted: float = 0
    succeeded: float = 0
    problem: tuple[str, ...] = ()
    lost: bool = False

    def but(self, **fields: Any) -> "ArchiveRecord":
        return replace(self, **fields)


def read(paths: Paths) -> ArchiveRecord:
    return _FILE.read(paths.archive_state)


def write(paths: Paths, record: ArchiveRecord) -> None:
    _FILE.write(paths.archive_state, asdict(record))


def _parse(raw: dict[str, Any]) -> ArchiveRecord:
    fields: dict[str, Any] = known_fields(ArchiveRecord, raw)
    return ArchiveRecord(**{**fields, "problem": tuple(map(str, fields.get("problem", ())))})


_FILE: StateFile[ArchiveRecord] = StateFile(_parse, missing=ArchiveRecord())
