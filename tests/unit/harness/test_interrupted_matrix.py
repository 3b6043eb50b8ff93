"""After Ctrl-C the threads of the upgrade matrix and of the faults begin nothing more."""

from concurrent.futures import Future
from contextlib import nullcontext
from threading import Event
from typing import Any, cast

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.upgrades import test_faults, test_upgrades
from tests.hosts.upgrades.outcome import Outcome


class Interrupted:
    """Stands for a host; the first thing done on it is the last that somebody waits for."""

    def __init__(self) -> None:
        self.over = Event()
        self.done = 0

    def perform(self, _what: object) -> Any:
        self.done += 1
        self.over.set()

    def reset(self, _run: object) -> None:
        pass


def test_no_run_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Interrupted()
    monkeypatch.setattr(test_upgrades, "new_bench", lambda *_: bench)
    runs = test_upgrades.ALL[:3]
    futures: dict[Any, Future[Outcome]] = {run: Future() for run in runs}
    test_upgrades.perform_all(cast(Fleet, None), cast(Deployment, bench), runs, futures, bench.over)
    assert bench.done == 1
    assert [future.done() for future in futures.values()] == [True, False, False]


def test_no_ordeal_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    patient = Interrupted()
    monkeypatch.setattr(test_faults, "Patient", lambda *_: patient)
    ordeals = [test_faults.Ordeal("12", what, patient.perform) for what in ("one", "two")]
    futures: dict[int, Future[None]] = {id(one): Future() for one in ordeals}

    class Clones:
        def clone(self, *_: object, disk: bool) -> Any:
            return nullcontext()

    test_faults.go_through(
        cast(Fleet, Clones()), cast(Deployment, None), ordeals, futures, patient.over
    )
    assert patient.done == 1
    assert [future.done() for future in futures.values()] == [True, False]
