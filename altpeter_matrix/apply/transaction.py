"""`altpeter-matrix apply`: from the settings to a server that answers, as one transaction."""

import shutil
from contextlib import suppress
from dataclasses import replace

from ..base.errors import ActivationError, HostError, MatrixConfigError, Problem
from ..base.failures import package_version, problems_of
from ..base.locks import exclusive
from ..base.signals import termination_as_exception
from ..host import certificate_state
from ..host.links import Links
from ..postgresql import archiving, database_record, synapse_database
from ..settings.model import parse_settings_text
from ..synapse import handmade, identity
from . import candidate, generation_secrets, input_fingerprint, preflight
from .activation import Host, Work, activate
from .cluster_options import ClusterOptions
from .generations import Generation, Store, records_of
from .last_apply import Outcome, Record
from .prepared import Rendered, render_host, settings_text
from .services import NGINX
from .up_to_date import Report, nothing_to_do, observe, standing_notices


def apply(
    host: Host, *, from_postinst: bool = False, adopting: bool = False, wait: float = 60
) -> Report:
    """Make the settings effective. Raises MatrixConfigError; then the old state still serves.

    adopting: called by an adoption, whose record is not finished yet.
    """
    with exclusive(host.paths, wait):
        record = Record(host.paths)
        last = record.read()
        state = observe(host.paths, host.services, last)
        if state.settled:
            return nothing_to_do(host.paths, last, state)
        written = input_fingerprint.written_fingerprint(host.paths)
        if from_postinst and last.held == written:
            notice = Problem(
                "altpeter-matrix", f"nothing was applied, because {last.held_because}",
                "change the settings, or run `altpeter-matrix apply` yourself",
            )  # fmt: skip
            return Report(last.generation, notices=(notice,))
        given = input_fingerprint.given_fingerprint(host.paths)
        try:
            if not adopting:
                handmade.require_adopted(host.paths)
            with termination_as_exception():
                report, watched = _transaction(host, last)
        except (MatrixConfigError, OSError) as error:
            _record_failure(record, last, error, written)
            raise
        # What changed meanwhile (settings, a certificate, a program) is seen by the next run.
        unchanged = input_fingerprint.given_fingerprint(host.paths) == given
        fingerprint = input_fingerprint.fingerprint(host.paths, watched) if unchanged else ""
        record.write(last.succeeded(report.generation or 0, fingerprint, watched))
        return report


def _record_failure(record: Record, last: Outcome, error: Exception, written: str) -> None:
    failed = last.failed(problems_of(error))
    if isinstance(error, ActivationError) and last.generation is not None:
        failed = replace(
            failed, held=written, held_because="these settings did not become healthy before"
        )
    with suppress(OSError):  # a full disk: the error itself is what counts
        record.write(failed)


def _transaction(host: Host, last: Outcome) -> tuple[Report, tuple[str, ...]]:
    paths, work = host.paths, Work()
    # Read once: somebody may write them meanwhile.
    text = settings_text(paths.settings)
    settings = parse_settings_text(text, source=paths.settings.name)
    ClusterOptions(paths).recover()
    # Everything that can be refused is refused before the first change.
    rendered = render_host(paths, settings)
    preflight.require_suitable(paths, rendered, host.services.present)
    if foreign := Links(paths).foreign():
        raise HostError(foreign)
    work.notices += rendered.warnings

    rendered = candidate.prepare(paths, rendered)
    store = Store(paths, rendered.accounts)
    store.tidy()
    generation_secrets.protect(store)
    number = _generation_for(host, store, rendered, text, work)
    local = rendered.local_database
    if host.services.present and local is not None and synapse_database.ensure(local):
        work.done.append(f"made the database {local}")
    changed = identity.follow_settings(paths, settings, rendered.synapse, missing_only=False)
    work.done += [f"set Synapse's {name}" for name in changed]

    _notice_new_certificate(host, rendered)
    activate(host, store, settings, number, _fallback(store, last, number), work)
    if host.services.present and local is not None and (found := synapse_database.inspect(local)):
        database_record.write(paths, local, found)
    if host.services.present and (settings.backup is None or settings.backup.point_in_time is None):
        archiving.stop(paths)
    store.tidy()
    generation_secrets.forget(store)
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


def _generation_for(host: Host, store: Store, rendered: Rendered, text: str, work: Work) -> int:
    """The number of a whole, checked generation with the rendered files: an old one or a new."""
    current = store.current()
    if (
        current
        and not store.tampering(current)
        and dict(current.files) == records_of(rendered.files)
    ):
        return current.number
    if (number := store.newest_matching(rendered.files)) is not None:
        return number
    directory = store.write_candidate(rendered.files, package_version(), text)
    try:
        candidate.check(host.paths, rendered, directory, anew=False)
        number = store.adopt(directory)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    work.done.append(f"wrote generation {number}")
    return number


def _fallback(store: Store, last: Outcome, number: int) -> Generation | None:
    """Where to go back to: the last healthy generation, else the one before, if it is whole."""
    for earlier in (last.generation, store.current_number()):
        if earlier is None or earlier == number:
            continue
        generation = store.load(earlier)
        if generation is not None and not store.tampering(generation):
            return generation
    return None
