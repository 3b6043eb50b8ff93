"""`altpeter-matrix apply`: from the settings to a server that answers, as one transaction."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from . import (
    candidate_nginx,
    candidate_synapse,
    certificate,
    certificate_state,
    database,
    disk,
    health,
    host_checks,
    identity,
    inputs,
    secrets_store,
)
from .errors import ActivationError, HostError, MatrixConfigError, Problem
from .failures import package_version, problems_of
from .generations import Generation, Store, Tampering, records_of
from .links import Links
from .lock import exclusive
from .outcome import Outcome, Record
from .paths import Paths
from .rendered import Rendered, read_settings, render_host
from .services import NGINX, SYNAPSE, UNITS, Action, Services
from .settings import Settings
from .settled import Report, look, standing_notices

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
    """What accumulates while one apply runs."""

    done: list[str] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)


def apply(host: Host, *, from_postinst: bool = False, wait: float = 60) -> Report:
    """Make the settings effective. Raises MatrixConfigError; then the old state still serves."""
    with exclusive(host.paths, wait):
        record = Record(host.paths)
        last = record.read()
        state = look(host.paths, host.services, last)
        if state.settled:
            return Report(last.generation, notices=state.notices)
        written = inputs.written_fingerprint(host.paths)
        if from_postinst and last.held == written:
            notice = Problem(
                "altpeter-matrix", f"nothing was applied, because {last.held_because}",
                "change the settings, or run `altpeter-matrix apply` yourself",
            )  # fmt: skip
            return Report(last.generation, notices=(notice,))
        try:
            with _termination_as_exception():
                report, watched = _transaction(host, last)
        except (MatrixConfigError, OSError) as error:
            _record_failure(record, last, error, written)
            raise
        # Settings that changed meanwhile are seen by the next run.
        unchanged = inputs.written_fingerprint(host.paths) == written
        fingerprint = inputs.fingerprint(host.paths, watched) if unchanged else ""
        record.write(last.succeeded(report.generation or 0, fingerprint, watched))
        return report


def _record_failure(record: Record, last: Outcome, error: Exception, written: str) -> None:
    failed = last.failed(problems_of(error))
    if isinstance(error, ActivationError):
        failed = replace(
            failed, held=written, held_because="these settings did not become healthy before"
        )
    with suppress(OSError):  # a full disk: the error itself is what counts
        record.write(failed)


def _transaction(host: Host, last: Outcome) -> tuple[Report, tuple[str, ...]]:
    paths, work = host.paths, Work()
    settings = read_settings(paths)
    # Everything that can be refused is refused before the first change.
    rendered = render_host(paths, settings)
    store = Store(paths, rendered.accounts)
    store.tidy()
    host_checks.require_suitable(paths, rendered, host.services.present)
    if foreign := Links(paths).foreign():
        raise HostError(foreign)
    work.notices += rendered.warnings

    number = _generation_for(host, store, rendered, work)
    local = rendered.local_database
    if host.services.present and local is not None and database.ensure(local):
        work.done.append(f"made the database {local}")
    changed = identity.settle(paths, settings, rendered.synapse, missing_only=False)
    work.done += [f"set Synapse's {name}" for name in changed]

    _notice_new_certificate(host, rendered)
    activate(host, store, settings, number, _fallback(store, last, number), work)
    store.tidy()
    work.notices += standing_notices(Links(paths), host.services.units_if_present())
    return Report(number, tuple(work.done), tuple(work.notices)), rendered.watched


def _notice_new_certificate(host: Host, rendered: Rendered) -> None:
    """A certificate that was issued again has the same path: nginx has to be told.

    certbot's hooks do not run when a certificate is issued for other names (certbot < 5.3).
    """
    if not host.services.present:
        return
    on_disk = certificate_state.on_disk(host.paths.on_host(rendered.facts.certificate.fullchain))
    served = certificate_state.served(rendered.settings.public_name) if on_disk else None
    if on_disk and served and on_disk.fingerprint != served.fingerprint:
        host.services.forget(NGINX)


def prepare(paths: Paths, rendered: Rendered) -> None:
    """What a configuration needs around it to be checked. Only adds what is missing."""
    group = rendered.accounts.group_id(rendered.synapse.group)
    secrets_store.ensure(paths, group if group is not None else 0)
    certificate.ensure_placeholder(paths, rendered.settings.certificate_names)
    disk.ensure_directory(paths.acme_webroot, 0o755)
    disk.ensure_directory(paths.runtime, 0o755)
    identity.settle(paths, rendered.settings, rendered.synapse, missing_only=True)


def check_candidate(paths: Paths, rendered: Rendered, candidate: Path) -> None:
    """Ask nginx and Synapse what they think of it."""
    candidate_nginx.check(paths, candidate, enabled=Links(paths).nginx_site_wanted())
    candidate_synapse.ensure_signing_key(paths, rendered.synapse, candidate)
    candidate_synapse.check(paths, rendered.synapse, candidate, rendered.origins)


def _generation_for(host: Host, store: Store, rendered: Rendered, work: Work) -> int:
    """The number of a whole, checked generation with the rendered files: an old one or a new."""
    prepare(host.paths, rendered)
    current = store.current()
    if current and not store.tampering(current):
        if dict(current.files) == records_of(rendered.files):
            return current.number
    if (number := store.newest_matching(rendered.files)) is not None:
        return number
    candidate = store.write_candidate(rendered.files, package_version())
    try:
        check_candidate(host.paths, rendered, candidate)
        number = store.adopt(candidate)
    except BaseException:
        shutil.rmtree(candidate, ignore_errors=True)
        raise
    work.done.append(f"wrote generation {number}")
    return number


def _fallback(store: Store, last: Outcome, number: int) -> Generation | None:
    """Where to go back to: the last healthy generation, else the one before, if it is whole."""
    for candidate in (last.generation, store.current_number()):
        if candidate is None or candidate == number:
            continue
        generation = store.load(candidate)
        if generation is not None and not store.tampering(generation):
            return generation
    return None


def activate(  # noqa: PLR0917 - keyword names would only repeat the types
    host: Host,
    store: Store,
    settings: Settings,
    number: int,
    fallback: Generation | None,
    work: Work,
) -> None:
    """Flip, settle the services, ask for health; any failure goes back."""
    try:
        _replace_hand_made_changes(host, store, work)
        if store.current_number() != number:
            store.activate(number)
        made = Links(host.paths).ensure()
        work.done += [f"linked {path}" for path in made]
        actions = host.services.settle()
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
    with _undisturbed():
        if fallback is None:
            note = f"generation {number} stays active"
        else:
            store.activate(fallback.number)
            note = f"generation {fallback.number} is active again"
            try:
                host.services.settle()
            except MatrixConfigError as second:
                note += f", but: {second}"
            store.remove(number)
    problems = problems_of(error)
    if not problems:
        raise error  # Ctrl-C, or a defect
    raise ActivationError(
        Problem(one.where, f"{one.what} ({note})", one.remedy) for one in problems
    ) from error


def _replace_hand_made_changes(host: Host, store: Store, work: Work) -> None:
    """Keep edits of generated files aside. A service that may have loaded one loads anew."""
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


def _program_of(paths: Paths, file: Path) -> str:
    return NGINX if "nginx" in str(file.relative_to(paths.root)) else SYNAPSE


@contextmanager
def _termination_as_exception() -> Iterator[None]:
    """SIGTERM and a lost terminal end the run like Ctrl-C does: with the old state active."""

    def interrupt(number: int, _frame: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    old = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Going back must not be interrupted halfway."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
