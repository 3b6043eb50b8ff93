"""An upgrade that is killed, loses its power, or finds a broken host: no edit is lost, nginx and
Synapse go on and can start, and `dpkg --configure -a` or the next `apply` ends it well.

The two hosts share the moments: what one is killed at cuts the power of the other. Each suffers all
faults. Both do theirs at the same time, one after the other on one clone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from threading import Event
from typing import Any, cast

import pytest

from tests.hosts.deployments import Deployment
from tests.hosts.fleet import Fleet
from tests.hosts.lab import Scarce

from .cells import HOSTS
from .faults import FAULTS, FULL_MOMENTS, MOMENTS
from .patient import Patient

pytestmark = pytest.mark.upgrades


@dataclass(frozen=True)
class Ordeal:
    """Something that happens to an upgrade on one of the hosts."""

    debian: str
    what: str
    happen: Callable[[Patient], None] = field(compare=False)

    def __str__(self) -> str:
        return f"Debian {self.debian}: {self.what}"


def kills() -> Iterator[Ordeal]:
    """dpkg alone at every other moment of a host: what it started goes on. Else all of it."""
    for number, moment in enumerate(MOMENTS):
        how = "alone" if number // 2 % 2 else "all"
        happen = partial(Patient.kill_dpkg, moment=moment, how=how)
        yield Ordeal(HOSTS[number % 2], f"{moment}, {how}", happen)


def power_cuts() -> Iterator[Ordeal]:
    for number, moment in enumerate(MOMENTS):
        happen = partial(Patient.cut_power, moment=moment)
        yield Ordeal(HOSTS[(number + 1) % 2], f"{moment}", happen)


def full_disks() -> Iterator[Ordeal]:
    for debian, scarce, moment in product(HOSTS, Scarce, FULL_MOMENTS):
        happen = partial(Patient.run_full, moment=moment, scarce=scarce)
        yield Ordeal(debian, f"no {scarce.name.lower()} at {moment}", happen)


def faults() -> Iterator[Ordeal]:
    for debian in HOSTS:
        for fault in FAULTS:
            yield Ordeal(debian, fault.name, partial(Patient.suffer, fault=fault))


def parameters(ordeals: Iterator[Ordeal]) -> list[Any]:
    return [pytest.param(one, id=str(one).replace(" ", "_")) for one in ordeals]


def go_through(
    fleet: Fleet,
    original: Deployment,
    ordeals: Sequence[Ordeal],
    ends: Mapping[int, Future[None]],
    over: Event,
) -> None:
    """All ordeals of one host; after one that ends badly go on with a new clone.

    over: set when nobody waits for the other ordeals any more, as after Ctrl-C.
    """
    with ExitStack() as stack:
        patient: Patient | None = None
        for ordeal in ordeals:
            if over.is_set():
                return
            end = ends[id(ordeal)]
            try:
                if patient is None:
                    patient = Patient(
                        fleet, stack.enter_context(fleet.clone(original, "faults", disk=True))
                    )
                ordeal.happen(patient)
                end.set_result(None)
            except BaseException as error:
                end.set_exception(error)
                stack.close()
                patient = None


@pytest.fixture(scope="module")
def ends(
    fleet: Fleet, both: tuple[Deployment, Deployment], request: pytest.FixtureRequest
) -> Iterator[Mapping[int, Future[None]]]:
    """Begins the selected ordeals; each test waits for its own."""
    selected = [
        cast(Ordeal, item.callspec.params["ordeal"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and "ends" in item.fixturenames
    ]
    futures: dict[int, Future[None]] = {id(ordeal): Future() for ordeal in selected}
    over = Event()
    with ThreadPoolExecutor() as pool:
        for server in both:
            ordeals = [one for one in selected if one.debian == server.host.debian]
            pool.submit(go_through, fleet, server, ordeals, futures, over)
        yield futures
        over.set()


@pytest.mark.parametrize("ordeal", parameters(kills()))
def test_a_killed_dpkg_loses_nothing(ordeal: Ordeal, ends: Mapping[int, Future[None]]) -> None:
    ends[id(ordeal)].result()


@pytest.mark.parametrize("ordeal", parameters(power_cuts()))
def test_a_power_cut_during_an_upgrade_loses_nothing(
    ordeal: Ordeal, ends: Mapping[int, Future[None]]
) -> None:
    ends[id(ordeal)].result()


@pytest.mark.parametrize("ordeal", parameters(full_disks()))
def test_a_disk_that_runs_full_during_an_upgrade_loses_nothing(
    ordeal: Ordeal, ends: Mapping[int, Future[None]]
) -> None:
    ends[id(ordeal)].result()


@pytest.mark.parametrize("ordeal", parameters(faults()))
def test_an_upgrade_on_a_broken_host_ends_well(
    ordeal: Ordeal, ends: Mapping[int, Future[None]]
) -> None:
    ends[id(ordeal)].result()
