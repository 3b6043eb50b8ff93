"""Fixtures of the tests on real hosts.

Two environment variables help while writing tests: ``LAB_NAME`` gives a run a lab of its own, so
that several can live side by side; ``LAB_REUSE=1`` takes the servers that an earlier run of that
lab deployed instead of deploying them again. Each process of a divided run has a lab of its own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from .deployments import Deployment
from .fleet import MEMBERS, Fleet
from .lab import Lab, LabUnavailable
from .lab.layout import LAB
from .upgrades.report import Report

BOTH = {"deployment", "both"}
NAME = os.environ.get("LAB_NAME", "test")


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM ends a divided run as Ctrl-C does; else its processes would leave their labs."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(), "upgrades")
    if _divides(config):
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The processes of an interrupted run have ten seconds, which are not always enough to close a
    lab: the one that started them closes what is left."""
    if _divides(config):
        for left in LAB.glob(f"{NAME}-gw*"):
            Lab.clean(left.name)


def _divides(config: pytest.Config) -> bool:
    return bool(config.getoption("numprocesses", None)) and not hasattr(config, "workerinput")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The lab of this test run. Where there can be none, tests that need it fail in one line."""
    try:
        opened = Lab.open(f"{NAME}{_process()}")
    except LabUnavailable as missing:
        pytest.fail(f"no lab: {missing}", pytrace=False)
    with opened:
        yield opened


def _process() -> str:
    """Tells the processes of one run apart (pytest-xdist)."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    return f"-{worker}" if worker else ""


@pytest.fixture(scope="session")
def fleet(lab: Lab) -> Fleet:
    """Deploys, records and clones the two servers of this session."""
    return Fleet(lab, NAME, reuse=bool(os.environ.get("LAB_REUSE")))


@pytest.fixture(scope="session")
def deploying(
    fleet: Fleet, request: pytest.FixtureRequest
) -> Iterator[dict[str, Future[Deployment]]]:
    """Has all servers that the selected tests use, made at the same time."""
    used = {name for item in request.session.items for name in _fixtures(item)}
    wanted = [
        member for member in MEMBERS.values() if f"debian{member.debian}" in used or used & BOTH
    ]
    with ThreadPoolExecutor() as pool:
        yield fleet.begin(wanted, pool)


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def debian12(deploying: dict[str, Future[Deployment]]) -> Deployment:
    """alpha.test on Debian 12, delegated to matrix.alpha.test."""
    return deploying["12"].result()


@pytest.fixture(scope="session")
def debian13(deploying: dict[str, Future[Deployment]]) -> Deployment:
    """matrix.beta.test on Debian 13, with the alias beta.test and no delegation."""
    return deploying["13"].result()


@pytest.fixture(scope="session")
def both(debian12: Deployment, debian13: Deployment) -> tuple[Deployment, Deployment]:
    """Both servers, for tests in which they talk to each other."""
    return debian12, debian13


@pytest.fixture(scope="session", params=["debian12", "debian13"])
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """Each of the two servers in turn."""
    found: Deployment = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def clone(fleet: Fleet) -> Iterator[Callable[..., Deployment]]:
    """``clone(deployment, "purpose", dns=False)``: a copy to harm; it ends with the module."""
    with ExitStack() as stack:
        yield lambda original, purpose, **options: stack.enter_context(
            fleet.clone(original, purpose, **options)
        )


@pytest.fixture(scope="module")
def victim(
    deployment: Deployment, clone: Callable[..., Deployment], request: pytest.FixtureRequest
) -> Deployment:
    """A copy to harm of each of the two servers in turn, one for all tests of a module."""
    return clone(deployment, request.path.stem.rpartition("_")[2])
