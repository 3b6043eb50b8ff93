"""Checks the settings of all hosts and looks at all hosts, before the first operation on any."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import click
import gevent  # type: ignore[import-untyped]
from gevent.lock import RLock  # type: ignore[import-untyped]
from pyinfra.api import FactBase, Host, State
from pyinfra.api.facts import get_fact
from pyinfra.context import ctx_host, ctx_state

from altpeter_matrix.base.errors import Problem, SettingsError

from ..connection.login import Login
from ..connection.stdin import HiddenInput
from ..connection.sudo import root_rights
from ..decide import adoption, preflight, repositories, trial_settings
from ..decide.repository_trust import checked_key
from ..inventory.target import Target, read_target
from ..observe.adoption_rehearsal import FAILED, Rehearsal, bundle
from ..observe.observation import Observation, variables
from ..observe.settings_check import SettingsCheck
from .errors import Refused
from .site import Site

T = TypeVar("T")

_surveys: "WeakKeyDictionary[State, Mapping[str, Site] | Refused]" = WeakKeyDictionary()
_lock = RLock()


def survey() -> Site:
    """The site of the host at hand; Refused, on every host, when any host has a problem."""
    # The objects themselves: what `from pyinfra import host` gives stands for a different one in
    # each greenlet.
    state, host = ctx_state.get(), ctx_host.get()
    with _lock:
        if state not in _surveys:
            try:
                _surveys[state] = _survey_all(state)
            except Refused as error:
                _surveys[state] = error
        result = _surveys[state]
    if isinstance(result, Refused):
        raise result
    return result[host.name]


def _survey_all(state: State) -> Mapping[str, Site]:
    hosts = list(state.inventory.get_active_hosts())
    targets = _targets(hosts)
    found = _on_all(hosts, lambda host: _look(state, host, targets[host]))
    problems = [problem for _, those in found.values() for problem in those]
    if problems:
        raise Refused(problems)
    for site, _ in found.values():
        if site is not None and site.adoption:
            # Before pyinfra asks whether to go on.
            click.echo("\n".join([f"\n{site.target.name}:", *site.adoption, ""]), err=True)
    return {host.name: site for host, (site, _) in found.items() if site is not None}


def _targets(hosts: list[Host]) -> Mapping[Host, Target]:
    targets: dict[Host, Target] = {}
    problems: list[Problem] = []
    for host in hosts:
        try:
            targets[host] = read_target(host)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise Refused(list(dict.fromkeys(problems)))
    return targets


def _on_all(hosts: list[Host], function: Callable[[Host], T]) -> Mapping[Host, T]:
    """Run it for all hosts at once. Not in pyinfra's own pool: the caller holds places there."""

    def in_context(host: Host) -> T:
        with ctx_host.use(host):
            return function(host)

    running = {host: gevent.spawn(in_context, host) for host in hosts}
    return {host: greenlet.get() for host, greenlet in running.items()}


def _look(state: State, host: Host, target: Target) -> tuple[Site | None, tuple[Problem, ...]]:
    login = _fact(state, host, Login, _sudo=False)
    if login is None:
        return None, (_unreachable(target, "does not run a shell for us"),)
    sudo = {}
    if not login.is_root:
        sudo = {"_sudo": True}
        if problem := root_rights(state, host, login, target.sudo_password, target.source):
            return None, (problem,)
    observed = _fact(
        state,
        host,
        Observation,
        variables=variables(target),
        _stdin=HiddenInput(target.smtp_password or ""),
        **sudo,
    )
    if observed is None:
        return None, (_unreachable(target, "cannot be examined"),)
    problems = preflight.problems(target, observed)
    if problems:
        return None, problems

    def ask(fact: type[FactBase[Any]], **arguments: Any) -> Any:
        return _fact(state, host, fact, **arguments, **sudo)

    keys = {
        one.keyring: checked_key(one, target.name, observed, ask)
        for one in repositories.in_use(target, observed)
    }
    untrusted = tuple(key for key in keys.values() if isinstance(key, Problem))
    trusted = {path: key for path, key in keys.items() if not isinstance(key, Problem)}
    site = Site(target, observed, login, trusted)
    if adoption.is_due(target, observed):
        text = HiddenInput(bundle(target.settings_text))
        rehearsed = ask(Rehearsal, _stdin=text) or FAILED
        refused = tuple(_not_adoptable(target, one) for one in rehearsed.problems)
        return replace(site, adoption=rehearsed.report), (*untrusted, *refused)
    return site, (*untrusted, *_refused_by_host(state, host, site, sudo))


def _not_adoptable(target: Target, said: str) -> Problem:
    # What the host calls settings.yaml is the inventory here.
    where, _, rest = said.replace("settings.yaml:", f"{target.source}:").partition(": ")
    what, _, remedy = rest.rpartition("; ")
    return Problem(f"{target.name}: {where}", what or rest, remedy or "correct it, then deploy")


def _fact(state: State, host: Host, fact: type[FactBase[T]], **arguments: Any) -> T | None:
    """A fact; None when the host would not tell, which pyinfra has then printed."""
    value: T | None = get_fact(state, host, fact, kwargs=arguments, apply_failed_hosts=False)
    return value


def _unreachable(target: Target, what: str) -> Problem:
    return Problem(
        target.name,
        what,
        "look above for what it said; log in as root (`ssh_user`), or as a user who may run any "
        "command with sudo",
    )


def _refused_by_host(
    state: State, host: Host, site: Site, sudo: Mapping[str, Any]
) -> tuple[Problem, ...]:
    """What the host tool itself says about new settings, while the old ones still serve."""
    target = site.target
    if not trial_settings.are_needed(target, site.state):
        return ()
    text = trial_settings.settings_to_try(target, site.state)
    complaints = _fact(state, host, SettingsCheck, _stdin=HiddenInput(text), **sudo)
    return tuple(
        Problem(target.name, line.removeprefix("error: "), "correct it, then deploy again")
        for line in complaints or ()
    )
