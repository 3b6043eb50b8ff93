"""The room of Synapse's database: by PostgreSQL's catalog alone, so no table is read.

Asked as Synapse's role, with a search_path of PostgreSQL's own, so nothing that this role has made
is run; what comes back may still be a lie, and is no more than shown.
"""

from collections.abc import Sequence
from pathlib import Path

from ..base.paths import Paths
from ..postgresql import database_record, layout
from ..postgresql.connection import (
    Limits,
    Row,
    Statement,
    Value,
    as_superuser,
    as_synapse,
    number,
    said,
)
from .model import Part, Room, Table

_LIMITS = Limits(seconds=10)
_MOST_TABLES = 400
_MOST_ROOMS = 10

# Which of Synapse's tables go together, by how their names begin; the first that fits.
SUBJECTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("state-groups", "state groups", ("state_group", "event_to_state_groups")),
    ("search", "search", ("event_search", "user_directory", "user_who_share", "users_who_share")),
    ("notifications", "notifications and read marks", (
        "event_push", "receipts", "presence", "push", "stream_ordering_to_exterm")),
    ("federation", "other servers", (
        "federation", "destination", "received_trans", "device_federation", "device_lists_remote",
        "device_lists_outbound", "server_", "sent_transactions")),
    ("devices", "devices and keys", (
        "device", "e2e_", "dehydrated", "access_tokens", "refresh_tokens", "user_ips")),
    ("sync", "sync", ("sliding_sync", "cache_invalidation")),
    ("media-records", "records of media", ("local_media", "remote_media")),
    ("events", "events and rooms", (
        "event", "state_events", "room", "current_state", "local_current", "redactions",
        "rejections", "insertion", "batch", "partial_state", "threads", "relations")),
)  # fmt: skip
_OTHER = ("database-other", "other")

# A row has 24 bytes before its values, 4 that point to it, and about 4 between aligned ones
# (postgresql.org, "Database Page Layout").
_TABLES = Statement(f"""
    with largest as (
        select c.oid, n.nspname, c.relname, c.relpages::bigint as pages, c.reltuples,
            pg_total_relation_size(c.oid) as size, pg_indexes_size(c.oid) as indexes
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        order by size desc nulls last limit {_MOST_TABLES}
    )
    select relname, size, indexes,
        coalesce(nullif(pg_stat_get_live_tuples(oid), 0), greatest(reltuples, 0)::bigint),
        pg_stat_get_dead_tuples(oid),
        case when reltuples > 0 and width is not null then greatest(0,
            pages * current_setting('block_size')::bigint - (reltuples * (width + 32))::bigint) end
    from largest left join lateral (
        select sum(avg_width * (1 - null_frac)) as width from pg_stats
        where schemaname = nspname and tablename = relname and not inherited
    ) of_columns on true order by size desc
""")  # nosec B608
# PostgreSQL's samples of the columns tell which share of its rows each large room has in a table:
# the estimate that Synapse's admin API makes.
_ROOMS = Statement(f"""
    select room, sum(share * pg_total_relation_size(c.oid))::bigint as size
    from pg_stats s join pg_namespace n on n.nspname = s.schemaname
    join pg_class c on c.relnamespace = n.oid and c.relname = s.tablename and c.relkind = 'r'
    cross join lateral unnest(s.most_common_vals::text::text[], s.most_common_freqs)
        as common(room, share)
    where s.attname = 'room_id' and n.nspname !~ '^pg_' and not s.inherited
    group by room order by size desc nulls last limit {_MOST_ROOMS}
""")  # nosec B608
_SIZE = Statement("select pg_database_size(current_database())")
# What only a superuser may ask; nothing of it is of Synapse's making.
_CLUSTER = (
    Statement("select pg_catalog.sum(size)::pg_catalog.int8 from pg_catalog.pg_ls_waldir()"),
    Statement(
        "select pg_catalog.sum(pg_catalog.pg_database_size(oid))::pg_catalog.int8"
        " from pg_catalog.pg_database where datname <> %s"
    ),
)


def data_directories(paths: Paths) -> list[Path]:
    """The data of the PostgreSQL under this server, running or not."""
    record = database_record.read(paths)
    if record is not None and record.place:
        return [paths.on_host(record.place)]
    found = [key for key, port in layout.ports(paths).items() if port == layout.PORT]
    return [layout.data(paths, *key) for key in sorted(found)]


def size(name: str) -> int:
    """The bytes of the database, its indexes included; HostError when PostgreSQL does not say."""
    [rows] = as_synapse(name, _SIZE, limits=_LIMITS, own_path=False)
    return number(rows) or 0


def of_cluster(name: str) -> tuple[Part, ...]:
    """What the cluster has beside that database; HostError as above."""
    waldir, others = _CLUSTER
    log, rest = as_superuser(waldir, Statement(others.text, (name,)), limits=_LIMITS)
    return (
        Part("database-log", "PostgreSQL's write-ahead log", number(log) or 0),
        Part("database-others", "PostgreSQL's other databases", number(rest) or 0),
    )


def tables(name: str) -> tuple[Table, ...]:
    """The largest tables, largest first; HostError as above, or when one is locked for long."""
    [rows] = as_synapse(name, _TABLES, limits=_LIMITS, own_path=False)
    return tuple(_table(row) for row in rows if len(row) == 6)


def rooms(name: str) -> tuple[Room, ...]:
    """The largest rooms, largest first; none before PostgreSQL has looked at the tables."""
    [rows] = as_synapse(name, _ROOMS, limits=_LIMITS, own_path=False)
    return tuple(Room(said(str(row[0])), _bytes(row[1])) for row in rows if len(row) == 2)


def part(whole: int, found: Sequence[Table]) -> Part:
    """The database, by what its tables are about."""
    sizes: dict[str, int] = {}
    for table in found:
        sizes[table.subject] = sizes.get(table.subject, 0) + table.size
    known = [(key, title) for key, title, _names in SUBJECTS]
    inside = [Part(key, title, sizes[title]) for key, title in known if sizes.get(title)]
    rest = whole - sum(one.size for one in inside)
    inside += [Part(*_OTHER, rest)] if found and rest > 0 else []
    inside.sort(key=lambda one: one.size, reverse=True)
    return Part("database", "database", whole, inside=tuple(inside))


def subject(table: str) -> str:
    """What a table of Synapse is about, in one of the titles of SUBJECTS, or `other`."""
    titles = (title for _key, title, names in SUBJECTS if table.startswith(names))
    return next(titles, _OTHER[1])


def _table(row: Row) -> Table:
    name = said(str(row[0]))
    total, indexes, rows, dead = map(_bytes, row[1:5])
    unfilled = None if row[5] is None else _bytes(row[5])
    return Table(name, subject(name), total, indexes, rows, dead, unfilled)


def _bytes(value: Value) -> int:
    return value if isinstance(value, int) and value > 0 else 0
