"""No upgrade asks, is held back, loses an edit or an access token: see `cells` for what is tried.

The runs of a host are done one after the other on one clone, the hosts at the same time.
`make test` does a short part, `make test-upgrades` all: first the sharp ones, then the
representative part.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from typing import Any, cast

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet

from .bench import Bench, new_bench
from .cells import HOSTS, SHARP, SHORT, SID, Run, Upgrade, all_runs, representative
from .outcome import Outcome
from .report import note
from .sid import deploy_sid

ALL = all_runs()
PART = representative(ALL, per_host=10)


def parameters() -> list[Any]:
    return [
        pytest.param(
            run,
            id=str(run).replace(" ", "_"),
            marks=() if run in SHORT else pytest.mark.upgrades,
        )
        for run in dict.fromkeys((*SHARP, *PART, *ALL))
    ]


def perform_all(
    fleet: Fleet,
    deployed: Deployment | None,
    runs: Sequence[Run],
    futures: Mapping[Run, Future[Outcome]],
    over: Event,
) -> None:
    """Do the runs of one host; after a run that cannot be undone go on with a new clone.

    deployed: None is the server on sid, which is made here.
    over: set when nobody waits for the other runs any more, as after Ctrl-C.
    """
    if not runs:
        return
    with ExitStack() as stack:
        try:
            original = deployed or deploy_sid(fleet)
        except BaseException as error:
            for run in runs:
                futures[run].set_exception(error)
            return
        bench: Bench | None = None
        for run in runs:
            if over.is_set():
                return
            try:
                if bench is None:
                    bench = new_bench(fleet, original, stack)
                outcome = bench.perform(run)
            except BaseException as error:
                futures[run].set_exception(error)
                stack.close()
                bench = None
                continue
            futures[run].set_result(outcome)
            if run.upgrade is Upgrade.RELEASE:
                stack.close()
                bench = None
                continue
            try:
                bench.reset(run)
            except Exception as error:  # whatever it is, a new clone helps
                print(f"{run}: not undone, so a new clone goes on: {error}")
                stack.close()
                bench = None


@pytest.fixture(scope="module")
def outcomes(
    fleet: Fleet, both: tuple[Deployment, Deployment], request: pytest.FixtureRequest
) -> Iterator[Mapping[Run, Future[Outcome]]]:
    """Does the selected runs; each test waits for its own."""
    selected: list[Run] = [
        cast(Run, item.callspec.params["run"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.originalname == test_an_upgrade_asks_nothing_and_loses_nothing.__name__
    ]
    futures: dict[Run, Future[Outcome]] = {run: Future() for run in selected}
    over = Event()
    with ThreadPoolExecutor() as pool:
        for host in (*HOSTS, SID):
            runs = [run for run in selected if run.host == host]
            deployed = next((one for one in both if one.host.debian == host), None)
            pool.submit(perform_all, fleet, deployed, runs, futures, over)
        yield futures
        over.set()


@pytest.mark.parametrize("run", parameters())
def test_an_upgrade_asks_nothing_and_loses_nothing(
    run: Run, outcomes: Mapping[Run, Future[Outcome]], request: pytest.FixtureRequest
) -> None:
    outcome = outcomes[run].result()
    note(request.node, run, outcome)
    assert outcome.problems == (), "\n".join(outcome.problems)
