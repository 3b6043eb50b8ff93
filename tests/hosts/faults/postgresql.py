"""PostgreSQL, asked by queries."""

from collections.abc import Mapping

from . import Made

_V = "$(ls /etc/postgresql)"
_CONF = f"/etc/postgresql/{_V}/main"
_UNIT = f"postgresql@{_V}-main"
_ROLE = '\\"matrix-synapse\\"'
_LIST = "/var/lib/dpkg/info/matrix-synapse-py3.list"

_LISTEN = "alter system set listen_addresses = '*'"


def _sql(*statements: str, database: str = "postgres") -> str:
    words = " ".join(f'-c "{one}"' for one in statements)
    return f"runuser -u postgres -- psql -q -d {database} {words}"


def _system(setting: str, value: str) -> Made:
    reload = "select pg_reload_conf()"
    return Made(
        f"{_sql(f'alter system set {setting} = {value}', reload)}; sleep 0.5",
        cure=f"{_sql(f'alter system reset {setting}', reload)}; sleep 0.5",
    )


def _catalogue(setting: str, back: str) -> Made:
    return Made(
        _sql(f"update pg_database set {setting} where datname = 'synapse'"),
        cure=_sql(f"update pg_database set {back} where datname = 'synapse'"),
    )


_OWN = "runuser -u matrix-synapse -- psql -q -d synapse"

MADE: Mapping[str, Made] = {
    "postgresql-cluster-missing": Made(
        f"pg_conftool {_V} main set port 5433",
        cure=f"pg_conftool {_V} main set port 5432",
        beside=("change-pending",),
    ),
    "postgresql-stopped": Made(f"systemctl stop {_UNIT}"),
    "postgresql-down": Made(
        f"echo 'max_connections = many' >{_CONF}/conf.d/zz.conf; ! systemctl restart {_UNIT}",
        cure=f"rm {_CONF}/conf.d/zz.conf; systemctl reset-failed {_UNIT}; systemctl start {_UNIT}",
        beside=("postgresql-would-not-start",),
    ),
    "postgresql-options-pending": Made(
        _sql("alter system set max_connections = 101", "select pg_reload_conf()"),
        tidy=f"{_sql('alter system reset max_connections')}; systemctl restart {_UNIT}"
        " matrix-synapse",
    ),
    "postgresql-does-not-answer": Made(
        f"kill -STOP $(systemctl show -P MainPID {_UNIT})",
        cure=f"kill -CONT $(systemctl show -P MainPID {_UNIT})",
    ),
    "synapse-role-missing": Made(
        _sql(f"alter role {_ROLE} rename to gone"), cure=_sql(f"alter role gone rename to {_ROLE}")
    ),
    "synapse-database-missing": Made(
        f"systemctl stop matrix-synapse; {_sql('alter database synapse rename to away')}",
        cure=f"{_sql('alter database away rename to synapse')}; systemctl start matrix-synapse",
        beside=("synapse-stopped",),
    ),
    "synapse-role-locked-out": Made(_sql(f"alter role {_ROLE} nologin")),
    "synapse-role-refused": Made(
        f"sed -i '1i local synapse matrix-synapse reject' {_CONF}/pg_hba.conf;"
        f" systemctl reload {_UNIT}; sleep 0.5",
        cure=f"sed -i 1d {_CONF}/pg_hba.conf; systemctl reload {_UNIT}; sleep 0.5",
    ),
    "synapse-role-too-mighty": Made(_sql(f"alter role {_ROLE} superuser")),
    "synapse-database-of-another": Made(_sql("alter database synapse owner to postgres")),
    "synapse-database-locale": _catalogue("datctype = 'C.UTF-8'", "datctype = 'C'"),
    "postgresql-autovacuum-off": _system("autovacuum", "off"),
    "postgresql-fsync-off": _system("fsync", "off"),
    "postgresql-access-rules-broken": Made(
        f"echo nonsense >>{_CONF}/pg_hba.conf", cure=f"sed -i /nonsense/d {_CONF}/pg_hba.conf"
    ),
    "index-invalid": Made(
        _sql(
            "update pg_index set indisvalid = false"
            " where indexrelid = 'users_creation_ts'::regclass",
            database="synapse",
        )
    ),
    "background-updates-unfinished": Made(
        f"touch -r {_LIST} /root/stamp; touch -d '10 days ago' {_LIST}; "
        + _sql(
            "insert into background_updates (update_name, progress_json) values ('unknown', '{}')",
            database="synapse",
        ),
        cure=f"touch -r /root/stamp {_LIST}; "
        + _sql("delete from background_updates where update_name = 'unknown'", database="synapse")
        + "; altpeter-matrix apply",
        beside=("change-pending",),
    ),
    "postgresql-slot-unused": Made(
        _sql("select pg_create_physical_replication_slot('standby', true)")
    ),
    "database-used-from-elsewhere": Made(
        f"{_sql(_LISTEN)};"
        f" echo 'host synapse matrix-synapse samehost trust' >>{_CONF}/pg_hba.conf;"
        f" systemctl restart {_UNIT}; systemd-run -q --unit=another --uid=matrix-synapse psql -h"
        " $(hostname -I | cut -d' ' -f1) synapse -c 'select pg_sleep(300)'; sleep 2",
        cure=f"systemctl stop another; {_sql('alter system reset listen_addresses')};"
        f" sed -i '/samehost trust/d' {_CONF}/pg_hba.conf; systemctl restart {_UNIT}",
    ),
    "table-bloated": Made(
        f"{_OWN} -c 'create table big (a int) with (autovacuum_enabled = off)'"
        " -c 'insert into big select generate_series(1, 1100000)' -c 'delete from big'; sleep 1",
        tidy=f"{_OWN} -c 'drop table big'",
    ),
}
NOT_MADE: Mapping[str, str] = {
    "postgresql-connections-used-up": "unit/status/test_postgresql.py",
    "postgresql-wraparound-near": "unit/status/test_postgresql.py: 10^9 transactions take days",
    "postgresql-transaction-open": "unit/status/test_postgresql.py: it takes an hour",
    "postgresql-restart-pending": "unit/status/test_postgresql.py: takes two minor versions",
}
