"""What the matrix consists of, and which part of it `make test` runs.

A cell is one upgrade of one host in one state in one way. A run proves several cells at once: its
states concern different things, so that each is judged by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

# With the deploy and upstream's package of Synapse.
HOSTS = ("12", "13")
# Installed by apt, with Debian's own package.
SID = "sid"


class Upgrade(StrEnum):
    """What is installed while the host is in a state."""

    OURS_THIS = "ours previous > this"
    OURS_NEXT = "ours this > next"
    OURS_BACK = "ours next > this (downgrade)"
    SYNAPSE = "Synapse"
    SYNAPSE_HOMESERVER = "Synapse, other homeserver.yaml"
    SYNAPSE_LOG = "Synapse, other log.yaml"
    TOGETHER = "ours and Synapse, other homeserver.yaml"
    NGINX = "nginx"
    POSTGRESQL = "PostgreSQL"
    RELEASE = "the release, to Debian 13"


class State(StrEnum):
    """What an administrator did to the host before."""

    UNTOUCHED = "untouched"
    HOMESERVER_EDITED = "homeserver.yaml edited"
    LOG_EDITED = "log.yaml edited"
    GENERATED_EDITED = "generated file edited"
    GENERATED_DELETED = "generated file deleted"
    GENERATED_LINKED = "generated file replaced by a link"
    GENERATED_UNREADABLE = "generated file made unreadable"
    LINK_DELETED = "link in /etc deleted"
    SITE_DISABLED = "site disabled"
    SETTINGS_EDITED = "settings edited by hand"
    SETTINGS_INVALID = "settings invalid"
    SETTINGS_MISSING = "settings missing"
    ADDITIONS = "local additions"
    NGINX_ADDITION_BROKEN = "nginx's local addition broken"
    SYNAPSE_ADDITION_BROKEN = "Synapse's local addition broken"
    FOREIGN_SITE = "foreign site on the same names and ports"


class Way(StrEnum):
    """Who upgrades."""

    TERMINAL = "apt upgrade at a terminal"
    CLOSED = "apt-get with closed stdin"
    UNATTENDED = "unattended-upgrade"
    DEPLOY = "pyinfra deploy"


# States that one run can have together: what they change does not overlap, and none of them keeps
# `apply` from doing its work for the others.
EDITED = (
    State.HOMESERVER_EDITED,
    State.LOG_EDITED,
    State.GENERATED_EDITED,
    State.LINK_DELETED,
    State.ADDITIONS,
    State.FOREIGN_SITE,
)
DELETED = (State.GENERATED_DELETED, State.SETTINGS_EDITED)
LINKED = (State.GENERATED_LINKED, State.SITE_DISABLED)
COMBINATIONS: tuple[tuple[State, ...], ...] = (
    (State.UNTOUCHED,),
    EDITED,
    DELETED,
    LINKED,
    (State.GENERATED_UNREADABLE,),
    (State.NGINX_ADDITION_BROKEN,),
    (State.SYNAPSE_ADDITION_BROKEN,),
    (State.SETTINGS_INVALID,),
    (State.SETTINGS_MISSING,),
)
# The deploy installs this checkout's package, leaves upgrades of others to apt, and refuses to
# replace a newer version of ours.
DEPLOYED = (Upgrade.OURS_THIS,)
# Of the ways, these go on to another release of Debian.
RELEASING = (Way.TERMINAL, Way.CLOSED)
# What the matrix is there for first of all; every selection has it.
TRAPS: tuple[tuple[Upgrade, State, Way], ...] = (
    (Upgrade.SYNAPSE_HOMESERVER, State.HOMESERVER_EDITED, Way.UNATTENDED),
    # nginx's maintainer script restarts nginx before our trigger can bring the site back.
    (Upgrade.NGINX, State.GENERATED_DELETED, Way.CLOSED),
    # Synapse's restarts it before our trigger brings the link back; it must not begin anew.
    (Upgrade.SYNAPSE, State.LINK_DELETED, Way.CLOSED),
)
# Packaged conffiles that an upgrade brings in another form, and the edit that this runs into.
COLLISIONS = {
    (Upgrade.SYNAPSE_HOMESERVER, State.HOMESERVER_EDITED),
    (Upgrade.TOGETHER, State.HOMESERVER_EDITED),
    (Upgrade.SYNAPSE_LOG, State.LOG_EDITED),
}


@dataclass(frozen=True)
class Cell:
    """One promise: this upgrade, of this host in this state, in this way, asks nothing."""

    host: str
    upgrade: Upgrade
    state: State
    way: Way


@dataclass(frozen=True)
class Run:
    """One upgrade that is really done, with all its states at once."""

    host: str
    upgrade: Upgrade
    states: tuple[State, ...]
    way: Way

    def __str__(self) -> str:
        return f"Debian {self.host}: {self.upgrade}; {', '.join(self.states)}; {self.way}"

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(Cell(self.host, self.upgrade, state, self.way) for state in self.states)

    @property
    def collides(self) -> bool:
        """Whether Synapse is to be held back, and that announced: the edit was not adopted."""
        return any((self.upgrade, state) in COLLISIONS for state in self.states)


# Each state, each upgrade, each way and each trap once.
SHARP = (
    Run("12", Upgrade.NGINX, DELETED, Way.CLOSED),
    Run("12", Upgrade.SYNAPSE, EDITED, Way.CLOSED),
    Run("12", Upgrade.SYNAPSE_LOG, (State.LOG_EDITED,), Way.CLOSED),
    Run("12", Upgrade.POSTGRESQL, (State.SETTINGS_INVALID,), Way.UNATTENDED),
    Run("12", Upgrade.OURS_THIS, (State.SETTINGS_MISSING,), Way.DEPLOY),
    Run("12", Upgrade.RELEASE, (State.GENERATED_UNREADABLE,), Way.TERMINAL),
    Run("13", Upgrade.SYNAPSE_HOMESERVER, (State.HOMESERVER_EDITED,), Way.UNATTENDED),
    Run("13", Upgrade.OURS_BACK, LINKED, Way.UNATTENDED),
    Run("13", Upgrade.OURS_NEXT, (State.GENERATED_UNREADABLE,), Way.CLOSED),
    Run("13", Upgrade.NGINX, (State.NGINX_ADDITION_BROKEN,), Way.UNATTENDED),
    Run("13", Upgrade.SYNAPSE, (State.SYNAPSE_ADDITION_BROKEN,), Way.CLOSED),
    Run("13", Upgrade.TOGETHER, (State.UNTOUCHED,), Way.TERMINAL),
)
# What `make test` has time for: each way, each trap, our package forth and back. None on sid, where
# the server has to be made first.
SHORT = (SHARP[0], SHARP[1], SHARP[4], SHARP[6], SHARP[7], SHARP[11])


def all_runs(hosts: Sequence[str] = (*HOSTS, SID)) -> tuple[Run, ...]:
    """The whole matrix, in an order that varies the upgrade fastest.

    The upgrades of a release are last, since each of them uses its host up.
    """
    found = (
        Run(host, upgrade, states, way)
        for host, way, together, upgrade in product(hosts, Way, COMBINATIONS, Upgrade)
        if _makes_sense(host, upgrade, way)
        for states in _apart_from_collisions(upgrade, together)
    )
    return tuple(sorted(found, key=lambda run: run.upgrade is Upgrade.RELEASE))


def _makes_sense(host: str, upgrade: Upgrade, way: Way) -> bool:
    if upgrade is Upgrade.RELEASE:
        return host == "12" and way in RELEASING
    return way is not Way.DEPLOY or (upgrade in DEPLOYED and host != SID)


def _apart_from_collisions(
    upgrade: Upgrade, together: tuple[State, ...]
) -> Iterator[tuple[State, ...]]:
    """What holds the upgrade back is tried alone, or the other states would not see it."""
    colliding = [state for state in together if (upgrade, state) in COLLISIONS]
    yield from ((state,) for state in colliding)
    if others := tuple(state for state in together if state not in colliding):
        yield others


def representative(runs: Sequence[Run], per_host: int) -> tuple[Run, ...]:
    """A few runs for each host, equally many, that leave no value and few pairs of values out.

    The traps come first, and then greedily the run that adds most each time: single values of the
    host, then pairs that no run of any host has yet, so that the hosts complete each other. The
    upgrades of a release are not among them: each takes minutes.
    """
    runs = [run for run in runs if run.upgrade is not Upgrade.RELEASE]
    hosts = tuple(dict.fromkeys(run.host for run in runs))
    chosen: list[Run] = []
    values: set[tuple[str, str]] = set()
    pairs: set[frozenset[str]] = set()

    def gain(run: Run) -> tuple[bool, int, int]:
        new_pairs = len(set(_pairs(run)) - pairs)
        return is_trap(run), len(set(_values(run)) - values), new_pairs

    for _ in range(per_host):
        for host in hosts:
            left = [run for run in runs if run.host == host and run not in chosen]
            if not left:
                continue
            best = max(left, key=gain)
            chosen.append(best)
            values.update(_values(best))
            pairs.update(_pairs(best))
    return tuple(chosen)


def is_trap(run: Run) -> bool:
    return any((run.upgrade, state, run.way) in TRAPS for state in run.states)


def cells_of(runs: Iterable[Run]) -> tuple[Cell, ...]:
    return tuple(cell for run in runs for cell in run.cells)


def _values(run: Run) -> Iterator[tuple[str, str]]:
    for value in (run.upgrade, run.way, *run.states):
        yield run.host, value


def _pairs(run: Run) -> Iterator[frozenset[str]]:
    yield frozenset((run.upgrade, run.way))
    for state in run.states:
        yield frozenset((run.upgrade, state))
        yield frozenset((run.way, state))
