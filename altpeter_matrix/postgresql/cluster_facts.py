"""How the cluster with Synapse's database is, for `status`: in two connections."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..base.accounts import SYNAPSE_USER
from .connection import Limits, Row, Statement, as_superuser, as_synapse, number, said

# Longer than any request and any look of ours; dumps hold one, too.
_LONG = "1 hour"
_MANY = 20
_MANY_ROWS = 1_000_000
_LIMITS = Limits(seconds=5.0)


@dataclass(frozen=True)
class ClusterFacts:
    """As the superuser sees it. oldest: the age of the oldest transaction ID of any database.

    long_transactions: processes that have been idle in a transaction for too long.
    access_rules_broken: lines of pg_hba.conf with which it would not start again.
    elsewhere: addresses of other hosts from where Synapse's role is in Synapse's database.
    unused_slots: replication slots that nobody reads and for which it keeps what was written.
    pending: options that are another since its start, and take effect at the next one.
    """

    version: str
    has_database: bool
    encoding: str
    collate: str
    ctype: str
    owner: str
    has_role: bool
    role_may_log_in: bool
    role_is_superuser: bool
    connections: int
    most_connections: int
    reserved: int
    autovacuum: bool
    autovacuum_file: str
    fsync: bool
    fsync_file: str
    oldest: int
    long_transactions: tuple[int, ...]
    access_rules_broken: tuple[str, ...]
    elsewhere: tuple[str, ...]
    unused_slots: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True)
class DatabaseFacts:
    """As Synapse's role sees its own database. The names are whatever that role says.

    bloated: tables with more dead rows than live ones.
    """

    background_updates: tuple[str, ...]
    invalid_indexes: tuple[str, ...]
    bloated: tuple[str, ...]


_DATABASE = (
    "select pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype,"
    " pg_catalog.pg_get_userbyid(datdba) from pg_catalog.pg_database where datname = %s"
)
_ROLE = "select rolcanlogin, rolsuper from pg_catalog.pg_roles where rolname = %s"
_CONNECTIONS = (
    "select pg_catalog.count(*) from pg_catalog.pg_stat_activity"
    " where backend_type = 'client backend'"
)
_SETTINGS = (
    "select name, setting, coalesce(sourcefile, '') from pg_catalog.pg_settings where name in"
    " ('server_version', 'max_connections', 'superuser_reserved_connections',"
    " 'autovacuum', 'track_counts', 'fsync')"
)
_OLDEST = "select pg_catalog.max(pg_catalog.age(datfrozenxid)) from pg_catalog.pg_database"
_IDLE = (
    "select pid from pg_catalog.pg_stat_activity where backend_type = 'client backend'"
    " and state like 'idle in transaction%%' and xact_start < pg_catalog.now() - %s::interval"
    " order by pid limit %s"
)
_RULES = (
    "select line_number, error from pg_catalog.pg_hba_file_rules where error is not null"
    " order by line_number limit %s"
)
_ELSEWHERE = (
    "select distinct pg_catalog.host(client_addr) from pg_catalog.pg_stat_activity"
    " where datname = %s and usename = %s and client_addr is not null"
    " and not (client_addr <<= '127.0.0.0/8'::inet or client_addr = '::1'::inet)"
    " order by 1 limit %s"
)
_SLOTS = (
    "select slot_name from pg_catalog.pg_replication_slots"
    " where not active and restart_lsn is not null order by 1 limit %s"
)
_PENDING = "select name from pg_catalog.pg_settings where pending_restart order by name limit %s"
_BLOATED = (
    "select relname from pg_catalog.pg_stat_user_tables"
    " where n_dead_tup > %s and n_dead_tup > n_live_tup order by relname limit %s"
)
_UPDATES = "select update_name from background_updates order by update_name limit %s"
_INDEXES = (
    "select c.relname from pg_catalog.pg_index i"
    " join pg_catalog.pg_class c on c.oid = i.indexrelid"
    " where not i.indisvalid and not exists (select 1 from"
    " pg_catalog.pg_stat_progress_create_index p where p.index_relid = i.indexrelid)"
    " order by c.relname limit %s"
)


def read(database: str) -> ClusterFacts:
    """What the superuser sees. HostError when PostgreSQL does not answer."""
    rows = as_superuser(
        Statement(_DATABASE, (database,)),
        Statement(_ROLE, (SYNAPSE_USER,)),
        Statement(_CONNECTIONS),
        Statement(_SETTINGS),
        Statement(_OLDEST),
        Statement(_IDLE, (_LONG, _MANY)),
        Statement(_RULES, (_MANY,)),
        Statement(_ELSEWHERE, (database, SYNAPSE_USER, _MANY)),
        Statement(_SLOTS, (_MANY,)),
        Statement(_PENDING, (_MANY,)),
        limits=_LIMITS,
    )
    return facts(rows)


def facts(rows: Sequence[Sequence[Row]]) -> ClusterFacts:
    """Of the answers, in the order of the questions."""
    known, role, connections, settings, oldest, idle, rules, elsewhere, slots, pending = rows
    encoding, collate, ctype, owner = map(str, known[0]) if known else ("", "", "", "")
    values = {str(row[0]): (str(row[1]), str(row[2])) for row in settings}

    def is_on(name: str) -> bool:
        return values.get(name, ("on", ""))[0] == "on"

    def count(name: str) -> int:
        text = values.get(name, ("0", ""))[0]
        return int(text) if text.isdigit() else 0

    off = "autovacuum" if not is_on("autovacuum") else "track_counts"
    return ClusterFacts(
        version=values.get("server_version", ("", ""))[0].split(" ")[0],
        has_database=bool(known),
        encoding=encoding,
        collate=collate,
        ctype=ctype,
        owner=owner,
        has_role=bool(role),
        role_may_log_in=bool(role and role[0][0]),
        role_is_superuser=bool(role and role[0][1]),
        connections=number(connections) or 0,
        most_connections=count("max_connections"),
        reserved=count("superuser_reserved_connections"),
        autovacuum=is_on("autovacuum") and is_on("track_counts"),
        autovacuum_file=values.get(off, ("", ""))[1],
        fsync=is_on("fsync"),
        fsync_file=values.get("fsync", ("", ""))[1],
        oldest=number(oldest) or 0,
        long_transactions=tuple(one for row in idle for one in row[:1] if isinstance(one, int)),
        access_rules_broken=tuple(f"line {row[0]}: {said(str(row[1]))}" for row in rules),
        elsewhere=_names(elsewhere),
        unused_slots=_names(slots),
        pending=_names(pending),
    )


def read_inside(database: str) -> DatabaseFacts:
    """What Synapse's role sees. HostError when it does not get in."""
    answers = as_synapse(
        database,
        Statement(_UPDATES, (_MANY,)),
        Statement(_INDEXES, (_MANY,)),
        Statement(_BLOATED, (_MANY_ROWS, _MANY)),
        limits=_LIMITS,
    )
    return DatabaseFacts(*map(_names, answers))


def _names(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(said(str(row[0])) for row in rows)
