"""A look at a server that is not small, and its samples."""

from altpeter_matrix.base.errors import Problem
from altpeter_matrix.usage import samples
from altpeter_matrix.usage.model import FileSystem, Part, Room, Table, Usage
from altpeter_matrix.usage.samples import Disk, Sample

GIB, MIB = 1024**3, 1024**2
HOSTILE = "\x1b[2J[red]!room:example.org"
ROOT = FileSystem("/", 80 * GIB, 52 * GIB, 24 * GIB, 5_000_000, 700_000, ("system", "database"))
MEDIA = FileSystem("/srv", 200 * GIB, 181 * GIB, 9 * GIB, 0, 0, ("media",))
STOPPED = Problem("PostgreSQL database synapse", "does not answer", "start it")


def look(**changes: object) -> Usage:
    """The server, with other values where given."""
    usage = Usage(
        taken="2026-03-31T12:00:00Z",
        file_systems=(ROOT, MEDIA),
        parts=(
            Part("media", "media", 180 * GIB, inside=(
                Part("media-local", "sent by this server's users", 70 * GIB),
                Part("media-remote", "copies of other servers' media", 108 * GIB),
                Part("media-previews", "link previews", 2 * GIB),
            )),
            Part("database", "database", 31 * GIB, inside=(
                Part("state-groups", "state groups", 17 * GIB),
                Part("events", "events and rooms", 12 * GIB),
                Part("search", "search", 12 * MIB),
            )),
            Part("logs", "logs", 2 * GIB, inside=(Part("journal", "journal", 1900 * MIB),)),
        ),
        tables=(
            Table("state_groups_state", "state groups", 16 * GIB, 6 * GIB, 9_000_000, 100, 6 * GIB),
            Table("event_json", "events and rooms", 6 * GIB, GIB, 900_000, 300_000, 90 * MIB),
        ),
        rooms=(Room("!large:example.org", 5 * GIB), Room(HOSTILE, 100 * MIB)),
    )  # fmt: skip
    return Usage(**{**vars(usage), **changes})


def days(count: int, per_day: int = 128 * MIB) -> tuple[Sample, ...]:
    """A sample of each of so many days before that look, ending with its day."""
    now = samples.of(look())
    found = []
    for back in reversed(range(count)):
        before = back * per_day
        found.append(
            Sample(
                f"2026-03-{31 - back:02d}T00:30:00Z",
                {mount: Disk(one.size, one.used - before, one.inodes_used)
                 for mount, one in now.disks.items()},
                {key: max(0, size - before) for key, size in now.parts.items()},
            )
        )  # fmt: skip
    return tuple(found)
