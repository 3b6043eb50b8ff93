"""`altpeter-matrix adopt`: from a server that was set up by hand to one with generations, and back.

Everything is decided, rendered, checked and compared while the old files are in force. Then they
are replaced, one rename at a time, in an order that leaves Synapse and nginx able to start in
between, and the usual apply restarts them and asks for health. What was replaced is kept, and its
record is on the disk before the first change, so that a run that dies anywhere can be undone.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..apply import candidate, preflight
from ..apply.activation import Host
from ..apply.cluster_options import ClusterOptions
from ..apply.generations import Store
from ..apply.prepared import render_host
from ..apply.services import FOLLOWER, GATE, HOLD, NGINX, SYNAPSE, UNITS, WATCH
from ..apply.transaction import apply
from ..apply.up_to_date import Report
from ..apt import pins
from ..base import disk
from ..base.accounts import read_accounts
from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.failures import package_version
from ..base.locks import exclusive
from ..base.paths import Paths
from ..base.signals import termination_as_exception, undisturbed
from ..host import adoption_backup, drop_ins
from ..host.adoption_backup import Backup
from ..host.links import CERTBOT_HOOK, NGINX_AVAILABLE, NGINX_MAIN, NGINX_SITE, TARGETS
from ..host.links import SYNAPSE as SYNAPSE_LINK
from ..nginx import config_check as nginx_check
from ..synapse import config_check as synapse_check
from ..synapse import handmade, identity
from . import from_sqlite
from .comparison import differing, require_none
from .reading import Reading, read_candidate
from .survey import ADDITION, Survey, survey
from .swap import keep_options, swap, swap_back

# What watches, and what holds requests back for, a server with generations.
_OF_GENERATIONS = (GATE.replace(".service", ".timer"), GATE, HOLD, FOLLOWER, WATCH)


def adopt(host: Host, *, say: from_sqlite.Say = lambda _: None) -> tuple[Report, Path]:
    """Adopt this server; what was done, and where its old files are.

    say: told of what takes long.
    Raises MatrixConfigError: then the old files are in force, and the old services run.
    """
    paths = host.paths
    with exclusive(paths):
        _finish_undoing(host)
        require_adoptable(paths)
        with termination_as_exception():
            decided = _surveyed(host)
            if decided.move is not None:
                from_sqlite.carry_out(paths, decided.synapse, decided.reading, decided.move, say)
                decided = _surveyed(host)
            backup = adoption_backup.begin(paths, tuple(_changing(paths, decided)))
            try:
                _write_inputs(paths, decided)
                number = _checked_generation(paths, decided)
                group = read_accounts(paths.root).group_id(decided.synapse.group)
                keep_options(backup, decided.reading.options, group)
                swap(paths, decided, number, group)
            except BaseException:
                _restore(host, backup)
                raise
    try:
        report = apply(host, adopting=True)
    except BaseException:
        with exclusive(paths):
            _restore(host, backup)
        raise
    backup.mark("finished")
    return report, backup.directory


def _surveyed(host: Host) -> Survey:
    decided = survey(host.paths)
    preflight.require_suitable(
        host.paths, decided.rendered, host.services.present, moving=decided.move is not None
    )
    return decided


def require_adoptable(paths: Paths) -> None:
    if not handmade.problems(paths):
        raise HostError(
            Problem(
                "altpeter-matrix", "there is nothing to adopt here", "run `altpeter-matrix apply`"
            )
        )


def undo(host: Host) -> Path | str:
    """Bring back what the last adoption replaced; where it was kept.

    Or, after a move of the database that was killed, which database Synapse runs on again.
    """
    with exclusive(host.paths):
        if host.paths.move_from_sqlite.exists():
            return from_sqlite.go_back(host.paths)
        backup = adoption_backup.newest(host.paths)
        if backup is None or backup.state == "undone":
            raise HostError(
                Problem("altpeter-matrix", "no adoption is to be undone", "nothing is to be done")
            )
        _restore(host, backup)
        for one in pins.held(host.paths):
            if one.retried:  # by a check of the configuration that is in force no more
                pins.release(host.paths, one.package, one.version)
        return backup.directory


def _finish_undoing(host: Host) -> None:
    """A run that was killed may have replaced a part: begin anew from what was there."""
    if host.paths.move_from_sqlite.exists():
        from_sqlite.go_back(host.paths)
    backup = adoption_backup.newest(host.paths)
    if backup is not None and backup.state == "unfinished":
        _restore(host, backup)


def _changing(paths: Paths, decided: Survey) -> Iterator[Path]:
    """Everything that may change, in the order in which it is put back (adopt/swap.py).

    Synapse's own files before the one that overrules them, and that from what is read last on;
    nginx's old sites before ours.
    """
    yield from decided.packaged
    yield from decided.leftovers
    yield from sorted(decided.snippets, reverse=True)
    for name in handmade.PACKAGED_IN_CONF_D:
        yield paths.synapse_conf_d / f"{name}.yaml"
    yield paths.root / SYNAPSE_LINK
    yield from decided.sites
    links = (NGINX_SITE, NGINX_AVAILABLE, NGINX_MAIN, CERTBOT_HOOK)
    yield from (paths.root / name for name in links)
    yield from decided.renewals
    yield from (paths.root / name for name in TARGETS if name not in {SYNAPSE_LINK, *links})
    yield paths.current
    yield paths.links_manifest
    yield paths.settings
    yield paths.synapse_additions / ADDITION


def _write_inputs(paths: Paths, decided: Survey) -> None:
    """What a generation is made from. Nothing reads it yet."""
    disk.ensure_directory(paths.configuration, 0o755)
    if not paths.settings.exists():
        disk.replace(paths.settings, decided.settings_text.encode(), 0o644)
    if decided.addition:
        disk.ensure_directory(paths.synapse_additions, 0o755)
        disk.replace(paths.synapse_additions / ADDITION, decided.addition.encode(), 0o600)
    if decided.secrets:
        disk.ensure_directory(paths.secrets, 0o750)
    for name, secret in decided.secrets.items():
        # candidate.prepare gives it the group that may read it.
        disk.replace(paths.secrets / name, f"{secret}\n".encode(), 0o600)


def _checked_generation(paths: Paths, decided: Survey) -> int:
    """A generation that nginx and Synapse accept and that changes what was announced, no more."""
    rendered = candidate.prepare(paths, render_host(paths, decided.settings))
    _keep_identity(paths, decided)
    store = Store(paths, rendered.accounts)
    directory = store.write_candidate(rendered.files, package_version(), decided.settings_text)
    try:
        nginx_check.check(paths, directory, enabled=True, instead=decided.instead)
        synapse_check.check(paths, rendered.synapse, directory, rendered.origins, decided.instead)
        require_same(decided, read_candidate(paths, rendered.synapse, directory, decided.instead))
        return store.adopt(directory)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _keep_identity(paths: Paths, decided: Survey) -> None:
    """The name and the statistics choice, if they were said in a file that goes."""
    for key in handmade.PACKAGED_IN_CONF_D:
        identity.keep(paths, key, decided.reading.options.get(key))


def require_same(decided: Survey, after: Reading) -> None:
    """ValidationError for each difference that was not announced."""
    before = decided.reading
    different = differing(before.options, after.options, decided.expected)
    announced = decided.expected | {key.removesuffix("_path") for key in decided.expected}
    different += [
        key
        for key, value in before.secrets.items()
        # What was there is there again; what was not may be new.
        if after.secrets[key] != value and (key in decided.secrets or key not in announced)
    ]
    require_none(
        different, "please report this with the output of `altpeter-matrix adopt --dry-run`"
    )


def _restore(host: Host, backup: Backup) -> None:
    """The old files, and the old services where they are not what runs."""
    paths = host.paths
    with undisturbed():
        applied = os.path.lexists(paths.loaded(SYNAPSE)) or os.path.lexists(paths.loaded(NGINX))
        drop_ins.mask(paths)
        swap_back(paths, backup)
        for program in (SYNAPSE, NGINX):
            paths.loaded(program).unlink(missing_ok=True)
        paths.outcome.unlink(missing_ok=True)
        backup.mark("undone")
        if not host.services.present:
            return
        ClusterOptions(paths).withdraw()
        host.services.reload_units()
        run("systemctl", "stop", *_OF_GENERATIONS, check=False)
        if applied:
            run("systemctl", "restart", UNITS[SYNAPSE], timeout=600)
            # Its main file has gone, too.
            anew = "restart" if host.services.nginx_has_room() else "reload-or-restart"
            run("systemctl", anew, UNITS[NGINX], timeout=120)
