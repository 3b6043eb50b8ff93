"""What a PostgreSQL cluster holds, in a form in which two clusters can be compared."""

from collections.abc import Iterable, Mapping, Sequence

from ..base.errors import Problem
from .connection import Row, Statement

Inventory = Mapping[str, str]

# Where Synapse's newest event stands: how much came afterwards can be told from it.
_NEWEST_EVENT = "newest event"
SCHEMA_VERSION = "schema version"
_MOST_SHOWN = 5

# What all databases of a cluster share; asked as superuser, of the database `postgres`.
SHARED = (
    Statement("""
        select 'database ' || datname, pg_catalog.concat_ws(' ',
                pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype,
                pg_catalog.pg_get_userbyid(datdba))
        from pg_catalog.pg_database where not datistemplate
    """),
    Statement("""
        select 'role ' || rolname, pg_catalog.concat_ws(' ', rolsuper, rolcreatedb, rolcanlogin)
        from pg_catalog.pg_roles where rolname !~ '^pg_'
    """),
)

# What is in Synapse's database; asked as Synapse's role, which reads all of pg_catalog, and of the
# tables its own. Tables that it may not read are compared by all but their number of rows.
# `query_to_xml` runs the query that is made there: a table's name can be no parameter.
OF_ALL_TABLES = (
    Statement("""
        select 'rows of ' || n.nspname || '.' || c.relname, case
            when not pg_catalog.has_schema_privilege(n.oid, 'usage')
                or not pg_catalog.has_table_privilege(c.oid, 'select') then 'not readable'
            else (pg_catalog.xpath('/row/count/text()', pg_catalog.query_to_xml(
                pg_catalog.format('select count(*) from %I.%I', n.nspname, c.relname),
                false, true, '')))[1]::text end
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname not in ('pg_catalog', 'information_schema')
        and c.relkind in ('r', 'p') order by 1
    """),
    Statement("""
        select 'sequence ' || schemaname || '.' || sequencename,
            coalesce(last_value::text, 'unused') from pg_catalog.pg_sequences
    """),
    Statement("""
        select 'owner of ' || n.nspname || '.' || c.relname,
            pg_catalog.pg_get_userbyid(c.relowner)
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
        and c.relkind in ('r', 'p', 'v', 'm', 'S')
    """),
    Statement("""
        select 'index ' || indexrelid::pg_catalog.regclass,
            case when indisvalid then 'valid' else 'invalid' end
        from pg_catalog.pg_index join pg_catalog.pg_class c on c.oid = indrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    """),
    # Version 18 began to list NOT NULL here.
    Statement("""
        select 'constraint ' || conrelid::pg_catalog.regclass || '.' || conname, contype::text
        from pg_catalog.pg_constraint join pg_catalog.pg_namespace n on n.oid = connamespace
        where n.nspname not in ('pg_catalog', 'information_schema')
        and conrelid <> 0 and contype <> 'n'
    """),
    Statement("""
        select 'trigger ' || tgrelid::pg_catalog.regclass || '.' || tgname, tgenabled::text
        from pg_catalog.pg_trigger where not tgisinternal
    """),
    Statement("select 'extension ' || extname, 'installed' from pg_catalog.pg_extension"),
)

# And in the tables that Synapse finds; what is put into the text is of nobody's making but ours.
OF_SYNAPSE = tuple(
    Statement(f"""
        select %s, (pg_catalog.xpath('/row/found/text()', pg_catalog.query_to_xml(
            'select {what} as found from {table}', false, true, '')))[1]::text
        where pg_catalog.to_regclass(%s) is not null
    """, (name, table))  # nosec B608
    for name, what, table in (
        (SCHEMA_VERSION, "version", "schema_version"),
        (_NEWEST_EVENT, "coalesce(max(stream_ordering), 0)", "events"),
    )
)  # fmt: skip

# Asked in each of PostgreSQL's own databases of a cluster that is said to be empty: a row for each
# thing in it.
CONTENT = (
    Statement("""
        select 'database ' || datname from pg_catalog.pg_database
        where datname not in ('postgres', 'template0', 'template1')
    """),
    Statement("""
        select 'role ' || rolname from pg_catalog.pg_roles
        where rolname <> 'postgres' and rolname !~ '^pg_'
    """),
    Statement("""
        select 'tablespace ' || spcname from pg_catalog.pg_tablespace
        where spcname not in ('pg_default', 'pg_global')
    """),
    Statement("""
        select 'relation ' || n.nspname || '.' || c.relname
        from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    """),
    Statement("""
        select 'function ' || p.proname
        from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where n.nspname not in ('pg_catalog', 'information_schema')
    """),
    Statement("select 'large object ' || oid from pg_catalog.pg_largeobject_metadata"),
    Statement("""
        select 'extension ' || extname from pg_catalog.pg_extension where extname <> 'plpgsql'
    """),
    Statement("""
        select 'setting of a role or database' from pg_catalog.pg_db_role_setting limit 1
    """),
)


def parse(answers: Iterable[Sequence[Row]]) -> Inventory:
    """The answers to `SHARED`, `OF_ALL_TABLES` and `OF_SYNAPSE`."""
    return {str(name): str(value) for rows in answers for name, value in rows}


def rows_of_tables(inventory: Inventory) -> list[int]:
    """How many rows each table has that could be counted."""
    counted = (value for name, value in inventory.items() if name.startswith("rows of "))
    return [int(value) for value in counted if _is_number(value)]


def newest_event(inventory: Inventory) -> int:
    value = inventory.get(_NEWEST_EVENT, "")
    return int(value) if _is_number(value) else 0


def _is_number(value: str) -> bool:
    # Longer than any of PostgreSQL's, it is none that Synapse wrote.
    return value.isascii() and value.isdigit() and len(value) < 20


def differences(before: Inventory, after: Inventory, where: str) -> list[Problem]:
    """What the copy lacks, has too much of, or has otherwise; where: the copy."""
    names = sorted(set(before) | set(after))
    wrong = [name for name in names if before.get(name) != after.get(name)]
    if not before:
        return [Problem("PostgreSQL", "showed nothing to compare with", "look at its log")]
    found = [
        Problem(
            where,
            f"{name}: {after.get(name, 'missing')}, but {before.get(name, 'missing')} before",
            "read the log of the upgrade in /var/log/postgresql",
        )
        for name in wrong[:_MOST_SHOWN]
    ]
    if len(wrong) > _MOST_SHOWN:
        more = f"{len(wrong) - _MOST_SHOWN} more differences"
        found.append(Problem(where, more, "as above"))
    return found
