"""What of Synapse's database holds much that nobody needs: by PostgreSQL's catalog and statistics.

No table is read for it, and no extension needed. pgstattuple, which would read them, can be made by
a superuser only, who has no business in a database that Synapse's role shapes. An index is
compared with the size that it would have new: estimated too high rather than too low, so that
nothing is rebuilt in vain. Asked as Synapse's role; what comes back is names for this role's own
statements, and numbers to compare.
"""

from dataclasses import dataclass

from ..postgresql.connection import Limits, Row, Statement, as_synapse, number

_LIMITS = Limits(seconds=20)
_MIB = 1024**2
_WORTH = 32 * _MIB
# B-trees that are written to at random are a third empty in the long run.
_SHARE_OF_INDEX = 0.5
# From where on autovacuum looks at a table, as Debian sets it.
_SHARE_DEAD, _LEAST_DEAD = 0.2, 10_000
_PAGE, _PAGE_HEADER, _FILL = 8192, 40, 0.9

Name = tuple[str, str]  # schema and relation


@dataclass(frozen=True)
class Index:
    """An index that takes more room than it would take new. Sizes in bytes."""

    name: Name
    table: str
    size: int
    expected: int

    @property
    def wasted(self) -> int:
        return max(0, self.size - self.expected)


@dataclass(frozen=True)
class Uncleaned:
    """A table with many rows that were removed and not cleaned up. size: with its indexes."""

    name: Name
    size: int
    dead: int


@dataclass(frozen=True)
class Unfinished:
    """What an interrupted REINDEX CONCURRENTLY has left: an index that nothing reads."""

    name: Name
    size: int


# An index tuple has 8 bytes and a pointer of 4; where there is a null, 8 more (postgresql.org,
# "B-Tree Structure"). In PostgreSQL 13 no rows also means that nobody has counted them.
_INDEXES = Statement(f"""
    select n.nspname, c.relname, t.relname, pg_relation_size(c.oid), c.reltuples::bigint,
        w.width::bigint, w.columns, w.nulls
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_am m on m.oid = c.relam and m.amname = 'btree'
    cross join lateral (
        select sum(s.avg_width * (1 - s.null_frac)) as width, count(*) as columns,
            count(s.avg_width) as known, bool_or(s.null_frac > 0) as nulls
        from pg_attribute a
        left join pg_attribute b on b.attrelid = t.oid and b.attnum = i.indkey[a.attnum - 1]
        left join pg_stats s on s.schemaname = n.nspname and not s.inherited
            and s.tablename = case when b.attname is null then c.relname else t.relname end
            and s.attname = coalesce(b.attname, a.attname)
        where a.attrelid = c.oid
    ) w
    where c.relkind = 'i' and t.relkind in ('r', 'm') and i.indisvalid and c.relpersistence = 'p'
        and pg_has_role(t.relowner, 'USAGE') and n.nspname !~ '^pg_' and w.known = w.columns
        and c.reltuples >= case when current_setting('server_version_num')::int < 140000
            then 1 else 0 end
        and pg_relation_size(c.oid) >= {_WORTH}
    order by 4 desc limit 300
""")  # nosec B608
_UNCLEANED = Statement(f"""
    select s.schemaname, s.relname, pg_total_relation_size(s.relid), s.n_dead_tup
    from pg_stat_user_tables s join pg_class t on t.oid = s.relid
    where t.relkind = 'r' and pg_has_role(t.relowner, 'USAGE') and s.n_dead_tup >= {_LEAST_DEAD}
        and s.n_dead_tup >= {_SHARE_DEAD} * (s.n_live_tup + s.n_dead_tup)
        and pg_total_relation_size(s.relid) >= {_WORTH}
    order by 4 desc limit 50
""")  # nosec B608
# PostgreSQL's own names for them (postgresql.org, REINDEX).
_UNFINISHED = Statement("""
    select n.nspname, c.relname, pg_relation_size(c.oid)
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'i' and not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'
        and pg_has_role(t.relowner, 'USAGE') and n.nspname !~ '^pg_'
    limit 100
""")
_BEING_MADE = Statement(
    "select count(*) from pg_stat_progress_create_index where datname = current_database()"
)
_SIZE = "select {}(format('%%I.%%I', %s, %s)::regclass)"


def indexes(database: str) -> tuple[Index, ...]:
    """Those that are worth rebuilding, most waste first; HostError when PostgreSQL does not say."""
    [rows] = as_synapse(database, _INDEXES, limits=_LIMITS, own_path=False)
    found = (_index(row) for row in rows if _is(row, str, str, str, int, int, int, int, bool))
    worth = (one for one in found if one.wasted >= max(_WORTH, _SHARE_OF_INDEX * one.size))
    return tuple(sorted(worth, key=lambda one: one.wasted, reverse=True))


def uncleaned(database: str) -> tuple[Uncleaned, ...]:
    """Tables that autovacuum should have cleaned up, and has not; HostError as above."""
    [rows] = as_synapse(database, _UNCLEANED, limits=_LIMITS, own_path=False)
    return tuple(
        Uncleaned((str(row[0]), str(row[1])), int(row[2] or 0), int(row[3] or 0))
        for row in rows if _is(row, str, str, int, int)
    )  # fmt: skip


def unfinished(database: str) -> tuple[Unfinished, ...]:
    """HostError as above."""
    [rows] = as_synapse(database, _UNFINISHED, limits=_LIMITS, own_path=False)
    return tuple(
        Unfinished((str(row[0]), str(row[1])), int(row[2] or 0))
        for row in rows if _is(row, str, str, int)
    )  # fmt: skip


def index_is_being_made(database: str) -> bool:
    """Whether somebody makes or rebuilds an index there just now; HostError as above."""
    [rows] = as_synapse(database, _BEING_MADE, limits=_LIMITS, own_path=False)
    return number(rows) != 0


def size_of_index(database: str, name: Name) -> int:
    """HostError as above, or when it is not there."""
    return _size(database, "pg_relation_size", name)


def size_of_table(database: str, name: Name) -> int:
    """With its indexes; HostError as above."""
    return _size(database, "pg_total_relation_size", name)


def expected_size(rows: int, width: int, columns: int, nulls: bool) -> int:
    """The bytes of a new B-tree. width: of the values of a row, on average."""
    # Between two values there may be up to seven bytes, so that the second is aligned.
    data = width + 4 * (columns - 1)
    row = 12 + 8 * nulls + (data + 7) // 8 * 8
    pages = rows * row / ((_PAGE - _PAGE_HEADER) * _FILL)
    return int(pages * 1.02 + 2) * _PAGE


def _index(row: Row) -> Index:
    schema, name, table = map(str, row[:3])
    size, rows, width, columns = (int(one or 0) for one in row[3:7])
    return Index((schema, name), table, size, expected_size(rows, width, columns, bool(row[7])))


def _is(row: Row, *kinds: type) -> bool:
    return len(row) == len(kinds) and all(map(isinstance, row, kinds))


def _size(database: str, function: str, name: Name) -> int:
    question = Statement(_SIZE.format(function), name)
    [rows] = as_synapse(database, question, limits=_LIMITS, own_path=False)
    return number(rows) or 0
