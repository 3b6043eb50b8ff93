"""PostgreSQL, asked by queries: as its superuser about the cluster, as Synapse's role about the
database."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

from ...base.accounts import SYNAPSE_USER
from ...base.commands import run
from ...base.errors import HostError
from ...postgresql import cluster_facts
from ...postgresql.cluster_facts import ClusterFacts, DatabaseFacts
from ...postgresql.cluster_list import Cluster
from .. import looks, systemd
from ..check import Check
from ..found import Found, found
from ..view import View
from .supervision import POSTGRESQL, programs

# Of the connections that are not for superusers.
_MOST_OF = 0.9
# PostgreSQL refuses to write at 2^31; autovacuum begins at 2 * 10^8.
_OLD = 1_000_000_000
_UNFINISHED_AFTER = 7 * 86400.0
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def there(view: View) -> Iterator[Found]:
    cluster = view.shared(looks.cluster)
    if cluster is None:
        if view.shared(looks.database) is not None:
            yield found("postgresql-cluster-missing")
        return
    unit = view.shared(programs).get(POSTGRESQL)
    if unit is None or unit.runs or cluster.running:
        return
    if unit.masked or (unit.active == "inactive" and unit.result == "success"):
        how = "masked" if unit.masked else "stopped"
        yield found("postgresql-stopped", unit=unit.name, how=how, command=systemd.start(unit))
    else:
        yield found("postgresql-down", unit=unit.name, state=unit.how)


def facts(view: View) -> ClusterFacts:
    return cluster_facts.read(view.shared(looks.database) or "")


def inside(view: View) -> DatabaseFacts:
    return cluster_facts.read_inside(view.shared(looks.database) or "")


def answers(view: View) -> Iterator[Found]:
    if view.shared(looks.cluster) is None:
        return
    try:
        view.shared(facts)
    except HostError as error:
        yield found("postgresql-does-not-answer", reason=_reason(error))


def connections(view: View) -> Iterator[Found]:
    if view.shared(looks.cluster) is None:
        return
    seen = view.shared(facts)
    if seen.connections >= (seen.most_connections - seen.reserved) * _MOST_OF:
        yield found("postgresql-connections-used-up", most=seen.most_connections)


def role(view: View) -> Iterator[Found]:
    name = view.shared(looks.database)
    if name is None or view.shared(looks.cluster) is None:
        return
    seen = view.shared(facts)
    if not seen.has_role:
        yield found("synapse-role-missing", role=SYNAPSE_USER)
    elif not seen.has_database:
        yield found("synapse-database-missing", database=name)
    elif not seen.role_may_log_in:
        yield found("synapse-role-locked-out", role=SYNAPSE_USER)
    else:
        if seen.role_is_superuser:
            yield found("synapse-role-too-mighty", role=SYNAPSE_USER)
        if seen.owner != SYNAPSE_USER:
            yield found("synapse-database-of-another", database=name, owner=seen.owner)
        try:
            view.shared(inside)
        except HostError as error:
            yield found("synapse-role-refused", database=name, reason=_reason(error))


def locale(view: View) -> Iterator[Found]:
    name = view.shared(looks.database)
    if name is None or view.shared(looks.cluster) is None:
        return
    seen = view.shared(facts)
    if seen.has_database and (seen.encoding, seen.collate, seen.ctype) != ("UTF8", "C", "C"):
        how = f"encoding {seen.encoding}, collation {seen.collate}, ctype {seen.ctype}"
        yield found("synapse-database-locale", database=name, how=how)


def upkeep(view: View) -> Iterator[Found]:
    if view.shared(looks.cluster) is None:
        return
    seen = view.shared(facts)
    if not seen.autovacuum:
        yield found("postgresql-autovacuum-off", file=seen.autovacuum_file or "PostgreSQL")
    if not seen.fsync:
        yield found("postgresql-fsync-off", file=seen.fsync_file or "PostgreSQL")
    if seen.oldest > _OLD:
        yield found("postgresql-wraparound-near", most=f"{_OLD:,}".replace(",", " "))
    for process in seen.long_transactions:
        yield found("postgresql-transaction-open", process=process)
    for problem in seen.access_rules_broken:
        yield found("postgresql-access-rules-broken", place=problem)
    for slot in seen.unused_slots:
        yield found("postgresql-slot-unused", slot=slot)


def elsewhere(view: View) -> Iterator[Found]:
    database = view.shared(looks.database)
    if database is None or view.shared(looks.cluster) is None:
        return
    for address in view.shared(facts).elsewhere:
        yield found("database-used-from-elsewhere", database=database, address=address)


def version(view: View) -> Iterator[Found]:
    cluster = view.shared(looks.cluster)
    if cluster is None:
        return
    installed = installed_version(cluster)
    running = view.shared(facts).version
    if installed and installed != running:
        yield found(
            "postgresql-restart-pending",
            unit=cluster.unit, running=running, installed=installed,
        )  # fmt: skip


def options(view: View) -> Iterator[Found]:
    cluster = view.shared(looks.cluster)
    if cluster is not None and (names := view.shared(facts).pending):
        yield found("postgresql-options-pending", unit=cluster.unit, names=", ".join(names))


def installed_version(cluster: Cluster) -> str:
    """As its program says: 15.14; empty when it does not."""
    program = Path(f"/usr/lib/postgresql/{cluster.version}/bin/postgres")
    shown = run(program, "--version", timeout=5, check=False).stdout
    match = re.search(r"\d+\.\d+", shown)
    return match[0] if match else ""


def schema(view: View) -> Iterator[Found]:
    database = view.shared(looks.database)
    if database is None or view.shared(looks.cluster) is None:
        return
    seen = view.shared(inside)
    for index in seen.invalid_indexes:
        # Synapse's role decides what things are called; this is to be run by root.
        if _NAME.fullmatch(index):
            yield found("index-invalid", index=index, database=database, role=SYNAPSE_USER)
    for table in seen.bloated:
        if _NAME.fullmatch(table):
            yield found("table-bloated", table=table, database=database, role=SYNAPSE_USER)
    synapse = view.shared(looks.synapse) if seen.background_updates else None
    if synapse is not None:
        installed = view.paths.package_lists / f"{synapse.package}.list"
        if time.time() - installed.stat().st_mtime > _UNFINISHED_AFTER:
            names = ", ".join(one for one in seen.background_updates if _NAME.fullmatch(one))
            yield found("background-updates-unfinished", database=database, names=names or "?")


def _reason(error: HostError) -> str:
    # Without the place that it is asked at, which is said anyway.
    what = re.sub(r"^does not answer \S+ on \S+:\d+: ", "", error.problems[0].what)
    return " ".join(what.split())[:200]


_DEAD = ("postgresql-cluster-missing", "postgresql-stopped", "postgresql-down")
SILENT = (*_DEAD, "postgresql-does-not-answer")
_NO_ROLE = (
    "synapse-role-missing", "synapse-database-missing", "synapse-role-locked-out",
    "synapse-role-refused",
)  # fmt: skip
# With one of these nothing can be asked of Synapse's database.
NO_DATABASE = (*SILENT, *_NO_ROLE, "postgresql-connections-used-up")
CHECKS = (
    Check("PostgreSQL runs", there, _DEAD, unless=("systemd-missing",)),
    Check(
        "PostgreSQL answers", answers, ("postgresql-does-not-answer",), unless=_DEAD
    ),
    Check(
        "connections to PostgreSQL", connections, ("postgresql-connections-used-up",),
        unless=SILENT,
    ),
    Check(
        "Synapse's role",
        role,
        (*_NO_ROLE, "synapse-role-too-mighty", "synapse-database-of-another"),
        unless=(*SILENT, "postgresql-connections-used-up"),
    ),
    Check(
        "the database's locale", locale, ("synapse-database-locale",),
        unless=(*SILENT, "synapse-role-missing"),
    ),
    Check(
        "PostgreSQL's upkeep",
        upkeep,
        (
            "postgresql-autovacuum-off",
            "postgresql-fsync-off",
            "postgresql-wraparound-near",
            "postgresql-transaction-open",
            "postgresql-access-rules-broken",
            "postgresql-slot-unused",
        ),
        unless=SILENT,
    ),
    Check(
        "nobody else in the database", elsewhere, ("database-used-from-elsewhere",), unless=SILENT
    ),
    Check("PostgreSQL's options", options, ("postgresql-options-pending",), unless=SILENT),
    Check("PostgreSQL's minor version", version, ("postgresql-restart-pending",), unless=SILENT),
    Check(
        "Synapse's schema",
        schema,
        ("index-invalid", "table-bloated", "background-updates-unfinished"),
        unless=NO_DATABASE,
    ),
)  # fmt: skip
