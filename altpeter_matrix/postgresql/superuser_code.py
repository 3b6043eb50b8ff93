"""Code of Synapse's role in databases, which PostgreSQL would run as superuser while it moves them.

pg_upgrade makes all types, functions and tables anew, as superuser. With some it computes while it
makes them: a generated column, what a table is partitioned by and each partition's bound, the first
value of an aggregate, each value that a domain checks. What is called there runs with a superuser's
rights, whoever wrote it (tried with PostgreSQL 15 and 17).

Of all that can be called Synapse makes nothing but functions for triggers, and those run for no
other reason. So a cluster is not moved while there is anything else of the kind in Synapse's
database, or of its role in another one. What PostgreSQL's superuser made itself is its own affair.
"""

from collections.abc import Mapping, Sequence

from ..base.accounts import SYNAPSE_USER
from ..base.errors import Problem
from ..base.resources import document
from .connection import Statement, said

_MOST = 100
_MOST_SHOWN = 3

# Every database that pg_upgrade enters; asked of the database `postgres`.
DATABASES = Statement("select datname from pg_catalog.pg_database where datallowconn order by 1")

# Asked as superuser, in each of them, of pg_catalog only.
_FUNCTIONS = """
    select 'function ' || p.oid::pg_catalog.regprocedure::pg_catalog.text
    from pg_catalog.pg_proc p join pg_catalog.pg_roles r on r.oid = p.proowner
    where not r.rolsuper and (%s or pg_catalog.pg_has_role(%s, r.oid, 'member'))
    and p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
    order by 1 limit %s
"""
_DOMAINS = """
    select 'domain ' || pg_catalog.format_type(t.oid, null)
    from pg_catalog.pg_type t join pg_catalog.pg_roles r on r.oid = t.typowner
    where not r.rolsuper and (%s or pg_catalog.pg_has_role(%s, r.oid, 'member'))
    and t.typtype = 'd'
    order by 1 limit %s
"""


def questions(*, synapses: bool) -> list[Statement]:
    """What a move would run of one database. synapses: it is Synapse's."""
    parameters = (synapses, SYNAPSE_USER, _MOST)
    return [Statement(text, parameters) for text in (_FUNCTIONS, _DOMAINS)]


def problems(found: Mapping[str, Sequence[str]]) -> list[Problem]:
    """Why a cluster is not to be moved. found: by database, the code in it."""
    return [_problem(database, code) for database, code in found.items() if code]


def _problem(database: str, code: Sequence[str]) -> Problem:
    shown = ", ".join(said(one) for one in code[:_MOST_SHOWN])
    more = f" and {len(code) - _MOST_SHOWN} more" if len(code) > _MOST_SHOWN else ""
    return Problem(
        f"PostgreSQL database {said(database)}",
        f"{shown}{more}: is not PostgreSQL's nor Synapse's, and a move to another PostgreSQL could"
        " run it as superuser",
        "give what you made yourself to another owner (`ALTER … OWNER TO postgres`); whatever else"
        f" is there somebody put there who got into Synapse (see {document('upgrades.md')})",
    )
