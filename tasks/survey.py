"""Checks the settings of all hosts and looks at all hosts, before the first operation on any."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import click
import gevent  # type: ignore[import-untyped]
import yaml
from gevent.lock import RLock  # type: ignore[import-untyped]
from pyinfra.api import FactBase, Host, State
from pyinfra.api.facts import get_fact
from pyinfra.context import ctx_host, ctx_state

from altpeter_matrix.base.errors import Problem, SettingsError
from altpeter_matrix.settings.records import dns_records

from . import adoption, apt, preflight, timesync
from .errors import Refused
from .facts import LoggedIn, Login, Observation, SettingsCheck
from .files import digest
from .host_state import HostState
from .paths import (
    ADMINISTRATOR_PASSWORD,
    DEFAULT_SITE_MARK,
    KEYRINGS,
    MANAGED_FILES,
    PACKAGE_MARK,
    SETTINGS,
    SOURCES,
)
from .stdin import HiddenInput
from .sudo import root_rights
from .target import Target, read_target
from .trust import checked_key, sources

T = TypeVar("T")
_SRV_LOOKUP = Path(__file__).with_name("srv_lookup.py")


@dataclass(frozen=True)
class Site:
    """A host: what is wanted, what there is, and how to get there."""

    target: Target
    state: HostState
    login: LoggedIn
    keys: Mapping[str, bytes]  # of the repositories in use, by their keyring's path
    adoption: tuple[str, ...] = ()  # what will become of a server that was set up by hand

    @property
    def ssh_ports(self) -> frozenset[int]:
        """Every port that SSH comes through, this very connection's included."""
        live = {self.login.ssh_port} if self.login.ssh_port else set()
        listening = {one.port for one in self.state.listening if one.program == "sshd"}
        return frozenset(self.state.sshd_ports | live | listening)


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
        if problem := root_rights(state, host, target, login):
            return None, (problem,)
    observed = _fact(
        state,
        host,
        Observation,
        variables=_variables(target),
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
        source.keyring: checked_key(source, target.name, observed, ask)
        for source in sources(target, observed)
    }
    untrusted = tuple(key for key in keys.values() if isinstance(key, Problem))
    trusted = {path: key for path, key in keys.items() if not isinstance(key, Problem)}
    site = Site(target, observed, login, trusted)
    if target.adopt and observed.handmade:
        text = HiddenInput(adoption.bundle(target.settings_text))
        rehearsed = ask(adoption.Rehearsal, _stdin=text) or adoption.FAILED
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
    """What the host tool itself says about new settings, while the old ones still serve.

    Asked only of the package that the deploy leaves there: another one may know other settings.
    """
    target = site.target
    unchanged = site.state.files.get(SETTINGS) == digest(target.settings_text.encode())
    if not apt.package_is_there(target, site.state) or (unchanged and site.state.settled):
        return ()
    text = settings_to_try(target, site.state)
    complaints = _fact(state, host, SettingsCheck, _stdin=HiddenInput(text), **sudo)
    return tuple(
        Problem(target.name, line.removeprefix("error: "), "correct it, then deploy again")
        for line in complaints or ()
    )


def settings_to_try(target: Target, state: HostState) -> str:
    """The settings, without mail while its password is still on the way to the host."""
    email = target.settings.email
    if email is None or target.smtp_password is None or str(email.password_file) in state.files:
        return target.settings_text
    return yaml.safe_dump({**yaml.safe_load(target.settings_text), "email": None})


def _variables(target: Target) -> dict[str, str]:
    """What tasks/*.observe.sh are to look at."""
    settings = target.settings
    services = [record.name for record in dns_records(settings, ipv4=(), ipv6=())]
    password_file = settings.email.password_file if settings.email else ""
    return {
        "LOCK_TIMEOUT": str(apt.LOCK_TIMEOUT),
        "PACKAGES": " ".join(sorted({*apt.PACKAGES, *timesync.CLOCKS, *apt.OWN})),
        # What comes from a repository may be newer than this checkout, and may be gone back from.
        "PACKAGE_VERSION": "" if target.repository else target.package_version,
        "SERVICES": " ".join(services),
        "SRV_LOOKUP": _SRV_LOOKUP.read_text(encoding="utf-8") if services else "",
        "NAMES": " ".join(settings.certificate_names),
        "PUBLIC_NAME": settings.public_name,
        "FILES": "\n".join([*MANAGED_FILES, PACKAGE_MARK, str(password_file)]).strip(),
        "KEYRINGS": " ".join(KEYRINGS),
        "UNITS": " ".join(timesync.UNITS),
        "DATABASE": settings.database.name,
        "ADMINISTRATOR": target.administrator or "",
        "ADMINISTRATOR_PASSWORD": ADMINISTRATOR_PASSWORD,
        "DEFAULT_SITE_MARK": DEFAULT_SITE_MARK,
        "REPOSITORY": settings.synapse_repository.uri,
        "SOURCES": SOURCES,
        "SMTP_PASSWORD": str(password_file),
    }
