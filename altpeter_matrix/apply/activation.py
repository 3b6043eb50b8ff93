"""The flip to another generation: services follow it, it must answer, or everything goes back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from ..base.errors import ActivationError, MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.signals import undisturbed
from ..host import drop_ins
from ..host.links import Link, Links
from ..settings.model import Settings
from ..synapse import health
from .cluster_options import ClusterOptions, later
from .generations import Generation, Store, Tampering
from .services import NGINX, SYNAPSE, UNITS, Action, Services

Probe = Callable[..., list[Problem]]
_PATIENCE = 20.0


@dataclass(frozen=True)
class Host:
    """Where apply works, and with what; tests bring their own probe."""

    paths: Paths
    services: Services
    probe: Probe = health.unhealthy


@dataclass
class Work:
    """What accumulates during a change, to be told at its end."""

    done: list[str] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)


def activate(  # noqa: PLR0917 - keyword names would only repeat the types
    host: Host,
    store: Store,
    settings: Settings,
    number: int,
    fallback: Generation | None,
    work: Work,
) -> None:
    """Flip, have the services follow, ask for health; any failure goes back."""
    try:
        _replace_hand_made_changes(host, store, work)
        if store.current_number() != number:
            store.activate(number)
        work.notices += map(_restored, Links(host.paths).to_restore())
        made = Links(host.paths).ensure()
        work.done += [f"linked {path}" for path in made]
        # Only now: before, they would hold back a Synapse that served without us.
        if drop_ins.unmask(host.paths):
            host.services.reload_units()
        actions = _follow(host, work)
        work.done += [
            _past(program, action)
            for program, action in actions.items()
            if action not in {Action.NOTHING, Action.LEAVE}
        ]
        problems = _unhealthy(host, settings)
        if problems:
            raise ActivationError(problems)
    except BaseException as error:
        _go_back(host, store, number, fallback, error)


def _follow(host: Host, work: Work) -> dict[str, Action]:
    """PostgreSQL, then both services; a restart of the one only under the cover of the other's."""
    if not host.services.present:
        return host.services.follow_generation()
    cluster = ClusterOptions(host.paths)
    followed = cluster.follow()
    work.notices += followed.notices
    try:
        actions = host.services.follow_generation(followed.restart)
    finally:
        # Whatever Synapse says: without PostgreSQL it does not start, either.
        cluster.prove()
    if followed.restart and actions[SYNAPSE] not in {Action.START, Action.RESTART}:
        work.notices.append(later(followed.restart))
    return actions


def _past(program: str, action: Action) -> str:
    verb = {Action.START: "started", Action.RESTART: "restarted", Action.RELOAD: "reloaded"}
    return f"{verb[action]} {UNITS[program].removesuffix('.service')}"


def _unhealthy(host: Host, settings: Settings) -> list[Problem]:
    """Health of what runs; a service that somebody stopped is not asked."""
    if not host.services.present:
        return []
    units = host.services.units()
    nginx = units[NGINX].running and Links(host.paths).nginx_site_wanted()
    return host.probe(settings, nginx=nginx, synapse=units[SYNAPSE].running, patience=_PATIENCE)


def _go_back(
    host: Host, store: Store, number: int, fallback: Generation | None, error: BaseException
) -> NoReturn:
    """Return to the generation that served, then raise what went wrong."""
    with undisturbed():
        if fallback is None:
            note = f"generation {number} stays active"
        else:
            note = f"generation {fallback.number} is active again"
            try:
                store.activate(fallback.number)
                _follow(host, Work())
            except (MatrixConfigError, OSError) as second:
                note += f", but: {'; '.join(map(str, problems_of(second)))}"
            if number > fallback.number:
                store.remove(number)
    problems = problems_of(error)
    if not problems:
        raise error  # Ctrl-C, or a defect
    raise ActivationError(
        Problem(one.where, f"{one.what} ({note})", one.remedy) for one in problems
    ) from error


def _replace_hand_made_changes(host: Host, store: Store, work: Work) -> None:
    """Keep edits of generated files aside. A service that may have loaded one loads anew."""
    if unknown := store.set_aside_unknown():
        for program in UNITS:
            host.services.forget(program)
        work.notices.append(
            Problem(
                str(store.paths.current),
                "was made by a later version of this package, or is damaged, so that changes by"
                f" hand cannot be told; all of it is kept in {unknown}",
                "if you changed a file in it, put that into settings.yaml, nginx.d or synapse.d",
            )
        )
    current = store.current()
    tampered = store.tampering(current) if current else []
    replaced = [Tampering(link.path, "replaced by a file") for link in Links(host.paths).replaced()]
    found = [*tampered, *replaced]
    if not found:
        return
    kept = store.set_aside(found)
    for item in found:
        host.services.forget(_program_of(host.paths, item.file))
        where = f"your version is in {kept}" if kept else "it is there again"
        work.notices.append(
            Problem(
                str(item.file), f"was {item.what} by hand; {where}",
                "put changes into settings.yaml, nginx.d or synapse.d",
            )
        )  # fmt: skip


def _restored(link: Link) -> Problem:
    return Problem(
        str(link.path),
        "was deleted, and is there again: without it the server would not start",
        "to do without altpeter-matrix-config: `apt remove altpeter-matrix-config`",
    )


def _program_of(paths: Paths, file: Path) -> str:
    return NGINX if "nginx" in str(file.relative_to(paths.root)) else SYNAPSE
