"""What is found in the answers of PostgreSQL."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from altpeter_matrix.base.errors import HostError, Problem
from altpeter_matrix.host.facts import Synapse
from altpeter_matrix.postgresql import cluster_facts
from altpeter_matrix.postgresql.cluster_facts import ClusterFacts, DatabaseFacts
from altpeter_matrix.postgresql.cluster_list import Cluster
from altpeter_matrix.status import looks
from altpeter_matrix.status.checks import postgresql, supervision
from altpeter_matrix.status.systemd import parse

from .given import Given, ids

CLUSTER = Cluster(15, "main", 5432, True, Path("/var/lib/postgresql/15/main"))
ROWS: list[list[list[Any]]] = [
    [["UTF8", "C", "C", "matrix-synapse"]],
    [[True, False]],
    [[7]],
    [
        ["server_version", "15.14 (Debian 15.14-0+deb12u1)", ""], ["max_connections", "100", "/a"],
        ["superuser_reserved_connections", "3", ""], ["autovacuum", "on", ""],
        ["track_counts", "on", ""], ["fsync", "on", ""],
    ],
    [[1000]],
    [],
    [],
    [],
    [],
    [],
]  # fmt: skip
FACTS = cluster_facts.facts(ROWS)
REFUSED = HostError(Problem("PostgreSQL", "does not answer x on y:5432: FATAL:  no", "look"))
UNIT = "postgresql@15-main.service"
DOWN = parse(f"Id={UNIT}\nLoadState=loaded\nActiveState=inactive\nResult=success\n")[UNIT]


def answers(facts: object = FACTS, inside: object = DatabaseFacts((), (), ())) -> dict[Any, Any]:
    return {
        looks.cluster: CLUSTER,
        looks.database: "synapse",
        postgresql.facts: facts,
        postgresql.inside: inside,
    }


def test_the_answers_of_a_cluster_that_is_well() -> None:
    assert FACTS.version == "15.14"
    assert (FACTS.connections, FACTS.most_connections, FACTS.reserved) == (7, 100, 3)
    assert FACTS.has_role and FACTS.role_may_log_in and not FACTS.role_is_superuser
    for check in (postgresql.answers, postgresql.connections, postgresql.role, postgresql.locale,
                  postgresql.upkeep, postgresql.schema):  # fmt: skip
        assert ids(check, {**answers(), looks.synapse: None}) == []


@pytest.mark.parametrize(
    ("question", "rows", "check", "fault"),
    [
        (0, [], postgresql.role, "synapse-database-missing"),
        (0, [["UTF8", "C", "C", "postgres"]], postgresql.role, "synapse-database-of-another"),
        (0, [["UTF8", "C", "en_GB", "matrix-synapse"]], postgresql.locale,
         "synapse-database-locale"),
        (1, [], postgresql.role, "synapse-role-missing"),
        (1, [[False, False]], postgresql.role, "synapse-role-locked-out"),
        (1, [[True, True]], postgresql.role, "synapse-role-too-mighty"),
        (2, [[88]], postgresql.connections, "postgresql-connections-used-up"),
        (3, [["autovacuum", "off", "/x"]], postgresql.upkeep, "postgresql-autovacuum-off"),
        (3, [["track_counts", "off", "/x"]], postgresql.upkeep, "postgresql-autovacuum-off"),
        (3, [["fsync", "off", ""]], postgresql.upkeep, "postgresql-fsync-off"),
        (4, [[1_200_000_000]], postgresql.upkeep, "postgresql-wraparound-near"),
        (5, [[4711]], postgresql.upkeep, "postgresql-transaction-open"),
        (6, [[99, "end-of-line before\nauthentication"]], postgresql.upkeep,
         "postgresql-access-rules-broken"),
        (7, [["192.0.2.7"]], postgresql.elsewhere, "database-used-from-elsewhere"),
        (8, [["standby"]], postgresql.upkeep, "postgresql-slot-unused"),
        (9, [["shared_buffers"]], postgresql.options, "postgresql-options-pending"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_cluster(
    question: int, rows: list[list[Any]], check: Any, fault: str
) -> None:
    changed = [*ROWS[:question], rows, *ROWS[question + 1 :]]
    assert ids(check, answers(cluster_facts.facts(changed))) == [fault]


def test_a_cluster_that_does_not_answer() -> None:
    [one] = postgresql.answers(Given(answers(REFUSED)))
    assert dict(one.values) == {"reason": "FATAL: no"}
    [one] = postgresql.role(Given(answers(inside=REFUSED)))
    assert one.id == "synapse-role-refused"


def test_a_cluster_that_was_stopped_or_is_on_another_port() -> None:
    stopped = {
        **answers(),
        looks.cluster: replace(CLUSTER, running=False),
        supervision.programs: {"postgresql": DOWN},
    }
    [one] = postgresql.there(Given(stopped))
    assert one.id == "postgresql-stopped"
    assert dict(one.values)["command"] == "systemctl start postgresql@15-main.service"
    failed = replace(DOWN, active="failed", result="exit-code")
    assert ids(postgresql.there, {**stopped, supervision.programs: {"postgresql": failed}}) == [
        "postgresql-down"
    ]
    assert ids(postgresql.there, {**stopped, looks.cluster: None}) == ["postgresql-cluster-missing"]
    remote = {looks.cluster: None, looks.database: None}
    assert ids(postgresql.there, remote) == []


@pytest.mark.parametrize(("installed", "expected"), [("15.14", []), ("", []), ("15.15", ["15.15"])])
def test_a_version_that_is_installed_and_does_not_run_yet(
    installed: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "installed_version", lambda _cluster: installed)
    told = list(postgresql.version(Given(answers())))
    assert [dict(one.values)["installed"] for one in told] == expected


def test_names_that_are_no_names_come_into_no_command(tmp_path: Path) -> None:
    """Synapse's role decides what things are called."""
    names = ("x; drop", "users_name", '"; \\! id')
    inside = DatabaseFacts(names, names, names)
    view = Given({**answers(inside=inside), looks.synapse: None})
    told = {one.id: dict(one.values) for one in postgresql.schema(view)}
    assert told["index-invalid"]["index"] == told["table-bloated"]["table"] == "users_name"
    assert len(list(postgresql.schema(view))) == 2
    installed = tmp_path / "var/lib/dpkg/info/matrix-synapse-py3.list"
    installed.parent.mkdir(parents=True)
    installed.touch()
    synapse = Synapse("matrix-synapse-py3", "1", Path("/python"), "nogroup", None)
    view = Given({**view.answers, looks.synapse: synapse}, tmp_path)
    assert "background-updates-unfinished" not in [one.id for one in postgresql.schema(view)]
    os.utime(installed, (0, 0))
    told = {one.id: dict(one.values) for one in postgresql.schema(view)}
    assert told["background-updates-unfinished"]["names"] == "users_name"


def test_facts_have_no_value_that_moves_in_a_text() -> None:
    busy: ClusterFacts = replace(FACTS, connections=90)
    busier = replace(FACTS, connections=91)
    assert list(postgresql.connections(Given(answers(busy)))) == list(
        postgresql.connections(Given(answers(busier)))
    )
