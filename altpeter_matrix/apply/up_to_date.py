"""Deciding that an apply has nothing to do: without a template engine, nginx or Synapse.

Most runs end here (each deploy, each package upgrade), so this module loads little.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ..base.accounts import read_accounts
from ..base.errors import Problem
from ..base.locks import exclusive
from ..base.paths import Paths
from ..host import restore_journal
from ..host.links import Links
from ..postgresql.upgrade_journal import interruption
from . import input_fingerprint
from .generations import Store
from .last_apply import Outcome, Record
from .services import Action, Services, Unit


@dataclass(frozen=True)
class Report:
    """What an apply did, for the person who started it."""

    generation: int | None
    done: tuple[str, ...] = ()
    notices: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class State:
    settled: bool
    notices: tuple[Problem, ...] = ()


def report_if_settled(paths: Paths, services: Services) -> Report | None:
    """The report of an apply with nothing to do; None when there is something."""
    with exclusive(paths):
        last = Record(paths).read()
        state = observe(paths, services, last)
        return nothing_to_do(paths, last, state) if state.settled else None


def nothing_to_do(paths: Paths, last: Outcome, state: State) -> Report:
    """The report. An update that is held back is tried again all the same: its cause need not be
    in the settings."""
    if paths.held_back.exists():
        with suppress(OSError):
            os.utime(paths.outcome)  # altpeter-matrix-upgrade-check.path watches it
    return Report(last.generation, notices=state.notices)


def observe(paths: Paths, services: Services, last: Outcome) -> State:
    """Whether inputs, generated files, links and processes are as the last apply left them."""
    if not last.ok or last.inputs != input_fingerprint.fingerprint(paths, last.watched):
        return State(False)
    if interruption(paths) or restore_journal.interruption(paths):
        return State(False)  # it has to be told
    store = Store(paths, read_accounts(paths.root))
    current = store.current()
    if current is None or current.number != last.generation or store.tampering(current):
        return State(False)
    links = Links(paths)
    if not links.is_settled():
        return State(False)
    units = services.units_if_present()
    if any(a not in {Action.NOTHING, Action.LEAVE} for a in services.plan(units).values()):
        return State(False)
    return State(True, tuple(standing_notices(links, units)))


def standing_notices(links: Links, units: Mapping[str, Unit]) -> Iterator[Problem]:
    """What stays as somebody decided, and is worth a word each time."""
    for link in links.deleted():
        yield Problem(
            str(link.path),
            "was deleted, so it stays away",
            f"`ln -s {link.target} {link.path}` brings it back",
        )
    for unit in units.values():
        if how := unit.stopped_on_purpose:
            yield Problem(
                unit.name, f"is {how}, so it was not started", f"`{how_to_start(unit.name, how)}`"
            )


def how_to_start(unit: str, how: str) -> str:
    """The command that undoes what somebody did to stop a service."""
    if how == "masked":
        return f"systemctl unmask {unit} && systemctl start {unit}"
    return f"systemctl {'enable --now' if how == 'disabled' else 'start'} {unit}"
