"""Synapse's role shapes its own database, and everything of ours that asks there meets it.

A function of that role leaves a mark when a superuser runs it. Nothing that we run may do so, and
nothing may wait longer than its bound for an answer that never comes.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.hosts.attacks_database import ATTACK, as_superuser, as_synapse, struck
from tests.hosts.deployments import Deployment, run_pyinfra
from tests.hosts.fleet import Fleet

SETTINGS = "/etc/altpeter-matrix/settings.yaml"
# What each of our questions of a database is called by.
ASKS = """
from altpeter_matrix.postgresql import synapse_database
from altpeter_matrix.postgresql.clusters import Clusters
from altpeter_matrix.postgresql.synapse_database import HAS_USERS
from altpeter_matrix.synapse import schema_numbers
from altpeter_matrix.upgrade import observation
from altpeter_matrix.base.paths import Paths
clusters = Clusters(Paths())
cluster = clusters.on_port(5432)
print(synapse_database.inspect("synapse"))
print(schema_numbers.demanded_now(Paths(), "synapse"), observation.works_in_database("synapse"))
print(clusters.ask_synapse(cluster, "synapse", HAS_USERS))
print(len(clusters.content(cluster)))
print(clusters.inventory(cluster, "synapse")["rows of public.users"])
"""
ASKS_FOR_SCHEMA = """
from altpeter_matrix.synapse import schema_numbers
from altpeter_matrix.base.paths import Paths
print(schema_numbers.demanded_now(Paths(), "synapse"))
"""
# A question, the start of its processes and a busy machine; those of Synapse's own start not.
BOUND = 60


@pytest.fixture(scope="module")
def victim(deployment: Deployment, clone: Callable[..., Deployment]) -> Deployment:
    """A server whose Synapse has turned against it."""
    turned = clone(deployment, "sql", dns=True)
    as_synapse(turned.host, ATTACK)
    return turned


@pytest.fixture(autouse=True)
def _unmarked(victim: Deployment) -> Iterator[None]:
    struck(victim.host)
    yield
    assert not struck(victim.host)


def test_the_attack_works_on_a_superuser_who_asks_there(victim: Deployment) -> None:
    """Else the other tests would prove nothing."""
    as_superuser(victim.host, "select to_regclass('users'); select 1 from users limit 1", "synapse")
    found = struck(victim.host)
    assert "struck-to_regclass" in found
    assert "struck-users" in found


def test_an_apply_a_status_and_a_look_at_the_room_run_nothing_of_it(victim: Deployment) -> None:
    host = victim.host
    host.run("sh", "-c", f"echo 'presence: false' >>{SETTINGS}")
    applied = host.run("altpeter-matrix", "apply", timeout=BOUND).stdout
    assert "restarted matrix-synapse" in applied
    host.run("altpeter-matrix", "status", timeout=BOUND)
    looked = host.run("altpeter-matrix", "usage", check=False, timeout=BOUND)
    assert "  database  " in looked.stdout and "Traceback" not in looked.stderr
    # It changes something there, as that role itself.
    given = host.run("altpeter-matrix", "usage", "reclaim", check=False, timeout=BOUND)
    assert "given back" in given.stdout or "Nothing is worth it." in given.stdout
    assert "Traceback" not in given.stderr


def test_no_question_of_ours_runs_anything_of_it(victim: Deployment) -> None:
    """Those of the health gate, of the way back and of the move to a newer PostgreSQL, too."""
    answers = victim.host.run("python3", "-c", ASKS, timeout=BOUND).stdout.splitlines()
    assert "owner='matrix-synapse', users=True" in answers[0]
    demanded, answers_at_all = answers[1].split()[:2]
    assert int(demanded) > 80
    assert answers_at_all == "(True,"
    assert answers[2] == "[[True]]"
    assert int(answers[4]) > 0


def test_the_survey_of_a_deploy_runs_nothing_of_it(victim: Deployment, fleet: Fleet) -> None:
    dry = run_pyinfra(fleet.inventory(victim), "--dry", "-y", timeout=BOUND)
    assert dry.returncode == 0


def test_the_role_reaches_no_database_that_a_superuser_asks(victim: Deployment) -> None:
    """Nor any setting that outlives the fixed ones."""
    for forbidden in (
        "alter database postgres set search_path = public",
        "alter database template1 set search_path = public",
        "alter role postgres set search_path = public",
        "alter role all set search_path = public",
        "alter database synapse set session_preload_libraries = 'x'",
        "create event trigger struck on ddl_command_start execute function evil.on_write()",
    ):
        assert "ERROR" in as_synapse(victim.host, forbidden, check=False), forbidden
    # In a cluster that began with PostgreSQL 14 or older everybody may make things in `public`.
    as_superuser(victim.host, "grant create on schema public to public")
    as_synapse(victim.host, ATTACK.partition("-- A cast")[0].replace("evil.", "public.")
               .replace("create schema evil;", ""), database="postgres")  # fmt: skip
    # And where somebody gave the role that database as well.
    as_superuser(victim.host, "alter database postgres set search_path = public, pg_catalog")
    assert "users=True" in victim.host.run("python3", "-c", ASKS, timeout=BOUND).stdout


def test_what_never_answers_ends_within_its_bound(victim: Deployment, fleet: Fleet) -> None:
    as_synapse(victim.host, "update evil.delay set seconds = 3600")
    victim.host.run("sed", "-i", "/^presence/d", SETTINGS)

    def bounded(*argv: str) -> str:
        return victim.host.run(*argv, timeout=BOUND).stdout

    with ThreadPoolExecutor() as pool:
        applied = pool.submit(bounded, "altpeter-matrix", "apply")
        asked = pool.submit(bounded, "python3", "-c", ASKS_FOR_SCHEMA)
        run_pyinfra(fleet.inventory(victim), "--dry", "-y", timeout=BOUND)
        assert "restarted matrix-synapse" in applied.result()
        # What the installed code demands: the database did not answer.
        assert int(asked.result()) > 80
    bounded("altpeter-matrix", "status")
