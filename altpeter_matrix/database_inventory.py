"""What a PostgreSQL cluster holds, in a form in which two clusters can be compared."""

from collections.abc import Mapping

from .errors import Problem

Inventory = Mapping[str, str]

# Where Synapse's newest event stands: how much came afterwards can be told from it.
NEWEST_EVENT = "newest event"
_MOST_SHOWN = 5

# Run in Synapse's database. Each line of the answer: what, a tab, its value. `\gexec` runs what
# the query before it wrote. One snapshot, so that the parts fit together.
SQL = r"""
\set ON_ERROR_STOP on
begin isolation level repeatable read read only;
select format('select %L, count(*) from %I.%I',
        'rows of ' || schemaname || '.' || tablename, schemaname, tablename)
    from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1 \gexec
select 'sequence ' || schemaname || '.' || sequencename, coalesce(last_value::text, 'unused')
    from pg_sequences;
select 'owner of ' || n.nspname || '.' || c.relname, pg_get_userbyid(c.relowner)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    and c.relkind in ('r', 'p', 'v', 'm', 'S');
select 'index ' || indexrelid::regclass, case when indisvalid then 'valid' else 'invalid' end
    from pg_index join pg_class c on c.oid = indrelid
    join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast');
-- Version 18 began to list NOT NULL here.
select 'constraint ' || conrelid::regclass || '.' || conname, contype
    from pg_constraint join pg_namespace n on n.oid = connamespace
    where n.nspname not in ('pg_catalog', 'information_schema')
    and conrelid <> 0 and contype <> 'n';
select 'trigger ' || tgrelid::regclass || '.' || tgname, tgenabled
    from pg_trigger where not tgisinternal;
select 'extension ' || extname, 'installed' from pg_extension;
select 'database ' || datname, concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype,
        pg_get_userbyid(datdba)) from pg_database where not datistemplate;
select 'role ' || rolname, concat_ws(' ', rolsuper, rolcreatedb, rolcanlogin)
    from pg_roles where rolname !~ '^pg_';
select 'select ''schema version'', version from schema_version'
    where to_regclass('schema_version') is not null \gexec
select 'select ''newest event'', coalesce(max(stream_ordering), 0) from events'
    where to_regclass('events') is not null \gexec
commit;
"""

# Run in each database of a cluster that is said to be empty: one line for each thing in it.
CONTENT_SQL = r"""
select 'database ' || datname from pg_database
    where datname not in ('postgres', 'template0', 'template1');
select 'role ' || rolname from pg_roles where rolname <> 'postgres' and rolname !~ '^pg_';
select 'tablespace ' || spcname from pg_tablespace where spcname not in ('pg_default', 'pg_global');
select 'relation ' || n.nspname || '.' || c.relname
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast');
select 'function ' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname not in ('pg_catalog', 'information_schema');
select 'large object ' || oid from pg_largeobject_metadata;
select 'extension ' || extname from pg_extension where extname <> 'plpgsql';
select 'setting of a role or database' from pg_db_role_setting limit 1;
"""


def parse(output: str) -> Inventory:
    """The answer to `SQL`."""
    rows = (line.partition("\t") for line in output.splitlines() if "\t" in line)
    return {name: value for name, _tab, value in rows}


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
