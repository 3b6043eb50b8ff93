"""The part of the upgrade matrix that `make test` does, and the table of what it showed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts.deployments import TOP
from tests.hosts.upgrades.cells import (
    HOSTS,
    RELEASING,
    SHARP,
    SHORT,
    SID,
    TRAPS,
    Run,
    State,
    Upgrade,
    Way,
    all_runs,
    cells_of,
    is_trap,
    representative,
)
from tests.hosts.upgrades.outcome import Outcome, dump, load, table, totals
from tests.hosts.upgrades.states import SETUPS
from tests.hosts.upgrades.ways import RELEASE_WAYS, WAYS

ALL = all_runs()
PART = representative(ALL, per_host=10)
USUAL = set(Upgrade) - {Upgrade.RELEASE}


def test_the_whole_matrix_has_every_cell_that_makes_sense() -> None:
    cells = cells_of(ALL)
    assert len(cells) == len(set(cells))
    by_apt = len(USUAL) * len(State) * 3 * 3  # ways; 12, 13 and sid
    release = len(State) * 2  # at a terminal and with closed stdin
    by_deploy = len(HOSTS) * len(State)
    assert len(cells) == by_apt + release + by_deploy


def test_what_holds_an_upgrade_back_is_tried_alone() -> None:
    colliding = [run for run in ALL if run.collides]
    assert colliding and all(len(run.states) == 1 for run in colliding)


def test_every_upgrade_state_and_way_is_in_the_part_on_each_host() -> None:
    for host in (*HOSTS, SID):
        runs = [run for run in PART if run.host == host]
        assert len(runs) == 10
        assert {run.upgrade for run in runs} == USUAL
        assert {state for run in runs for state in run.states} == set(State)
        assert {run.way for run in runs} == set(Way) - ({Way.DEPLOY} if host == SID else set())


def test_the_part_has_every_trap_on_each_host() -> None:
    found = {(run.host, run.upgrade, state, run.way) for run in PART for state in run.states}
    assert {(host, *trap) for host in (*HOSTS, SID) for trap in TRAPS} <= found


def test_beside_the_traps_the_hosts_complete_each_other() -> None:
    free = [run for run in PART if not is_trap(run)]
    pairs = [
        {(run.upgrade, state) for run in free if run.host == host for state in run.states}
        for host in HOSTS
    ]
    assert len(pairs[0] | pairs[1]) > 1.5 * max(map(len, pairs))


def test_the_part_is_the_same_each_time() -> None:
    assert representative(all_runs(), per_host=10) == PART


def test_the_sharp_runs_are_few_and_leave_out_no_value_and_no_trap() -> None:
    assert len(SHARP) == 12 and set(SHARP) <= set(ALL)
    assert {state for run in SHARP for state in run.states} == set(State)
    assert {run.way for run in SHARP} == set(Way)
    assert {run.upgrade for run in SHARP} == set(Upgrade)
    found = {(run.upgrade, state, run.way) for run in SHARP for state in run.states}
    assert set(TRAPS) <= found


def test_the_short_runs_leave_out_no_way_and_no_trap_and_need_no_server_of_their_own() -> None:
    assert set(SHORT) < set(SHARP)
    assert {run.host for run in SHORT} == set(HOSTS)
    assert {run.way for run in SHORT} == set(Way)
    found = {(run.upgrade, state, run.way) for run in SHORT for state in run.states}
    assert set(TRAPS) <= found


def test_every_state_can_be_made_and_every_way_be_gone() -> None:
    assert set(SETUPS) == set(State)
    assert {*WAYS, Way.DEPLOY} == set(Way)
    assert set(RELEASE_WAYS) == set(RELEASING)


def test_the_table_tells_failures_announced_edits_and_clean_cells_apart() -> None:
    clean = Run("12", Upgrade.NGINX, (State.UNTOUCHED,), Way.TERMINAL)
    held = Run("12", Upgrade.SYNAPSE_LOG, (State.LOG_EDITED,), Way.UNATTENDED)
    partly = Run("13", Upgrade.OURS_THIS, (State.ADDITIONS, State.LINK_DELETED), Way.CLOSED)
    lost = {State.ADDITIONS: ("the edit is lost",)}
    outcomes = {
        clean: Outcome(),
        held: Outcome(held=("matrix-synapse-py3",), announced=True),
        partly: Outcome(by_state=lost),
    }
    rows = {line.split("  ")[0]: line.split() for line in table(outcomes).splitlines() if line}
    assert rows["Debian 12: untouched"][-3] == "t"
    assert "u!" in rows["Debian 12: log.yaml edited"]
    assert "C" in rows["Debian 13: local additions"]
    assert "c" in rows["Debian 13: link in /etc deleted"]
    assert totals(outcomes).startswith("4 cells in 3 runs (0 s): 1 failed; questions asked 0,")
    assert "packages held back 0 (" in totals(outcomes)
    assert "announced: 0 and 1)" in totals(outcomes)


def test_what_a_run_showed_gets_across_to_another_process() -> None:
    run = Run("13", Upgrade.OURS_THIS, (State.ADDITIONS, State.LINK_DELETED), Way.CLOSED)
    outcome = Outcome(1, ("nginx",), True, ("slow",), {State.ADDITIONS: ("lost",)}, 2.5)
    assert load(dump(run, outcome)) == (run, outcome)


CONFTEST = f"""
import sys
from pathlib import Path

sys.path.append({str(TOP)!r})
from tests.hosts.upgrades import report

def pytest_configure(config):
    report.TABLE = Path("table.txt")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(report.Report())
"""
MODULE = """
import pytest
from tests.hosts.upgrades.cells import all_runs
from tests.hosts.upgrades.outcome import Outcome
from tests.hosts.upgrades.report import note

@pytest.mark.parametrize("run", all_runs()[:4], ids=str)
def test_it(run, request):
    note(request.node, run, Outcome(seconds=1))
"""


@pytest.mark.parametrize("divided", [(), ("--numprocesses", "2")], ids=["one", "divided"])
def test_the_process_that_has_the_terminal_prints_the_table(
    divided: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(MODULE)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "xdist", *divided, "."]
    # Of the plugins that are installed it needs this one, and each process would load all.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    shown = subprocess.run(
        argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "4 cells in 4 runs (4 s): 0 failed" in shown.stdout, shown.stdout + shown.stderr
    assert "4 cells" in (tmp_path / "table.txt").read_text()
