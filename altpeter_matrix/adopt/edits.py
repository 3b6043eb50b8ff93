"""`altpeter-matrix adopt` on a server that is ours already: edits of Synapse's packaged files.

What such an edit sets moves to synapse.d, where no upgrade meets it, and the packaged text comes
back. First the addition is applied and then the file replaced, in which nothing stands any more
that is not in the addition: the edit is in force all the time, and a run that is killed anywhere
is completed by the next.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ..apply import host_facts
from ..apply.activation import Host
from ..apply.diff import differences
from ..apply.generations import Store
from ..apply.prepared import Rendered, read_settings, render_host, settings_text
from ..apply.transaction import apply
from ..apply.up_to_date import Report
from ..base import disk, untrusted_files
from ..base.accounts import read_accounts
from ..base.errors import HostError, Problem
from ..base.failures import package_version
from ..base.locks import exclusive
from ..base.paths import CURRENT, Paths
from ..host.facts import Synapse
from ..synapse import conffile_edits, config_files, handmade
from .comparison import DEFAULTS, differing, require_none, same
from .packaged_conffile import packaged
from .reading import read_candidate, read_present

_HEADER = """\
# Options that stood in homeserver.yaml before `altpeter-matrix adopt`, each as it was. Remove what
# you no longer need, then: altpeter-matrix apply
"""
_HOMESERVER = "homeserver.yaml"


@dataclass(frozen=True)
class Edits:
    """What is to be done. changed: options in which the edited file differs from the packaged."""

    synapse: Synapse
    packaged: Mapping[Path, bytes]
    found: Mapping[Path, bytes] = field(repr=False)  # the edited texts
    changed: frozenset[str]
    carried: Mapping[str, Any] = field(repr=False)
    addition: Path
    rendered: Rendered

    @property
    def text(self) -> str:
        """Of the addition; empty: none is needed."""
        if not self.carried:
            return ""
        return _HEADER + yaml.safe_dump(dict(self.carried), sort_keys=True, allow_unicode=True)


def decide(paths: Paths) -> Edits:
    """Decide. Raises MatrixConfigError with everything that forbids it; changes nothing."""
    files = conffile_edits.edited(paths)
    if not files:
        raise HostError(
            Problem(
                "altpeter-matrix", "there is nothing to adopt here", "run `altpeter-matrix apply`"
            )
        )
    synapse = host_facts.synapse(paths, read_accounts(paths.root))
    if synapse is None:
        raise HostError(Problem("Synapse", "is not installed", "there is nothing to adopt"))
    texts = packaged(paths, *files)
    settings = read_settings(paths)
    rendered = render_host(paths, settings)
    homeserver = paths.synapse / _HOMESERVER
    old = config_files.read(paths, homeserver)
    new = config_files.parse(texts[homeserver]) if homeserver in texts else old
    # Whatever is read after homeserver.yaml wins: there an edit had no effect.
    later = {*rendered.options, *_of_conf_d(paths), *handmade.PACKAGED_IN_CONF_D}
    if removed := [key for key in new if key not in {*old, *later} and not _is_default(key, new)]:
        raise HostError(
            Problem(
                f"{homeserver}: {key}",
                "was removed from the packaged file, which would bring it back",
                f"write the {key} that you want into it",
            )
            for key in removed
        )
    changed = frozenset(key for key in {*old, *new} if old.get(key) != new.get(key))
    carried = {key: old[key] for key in sorted(changed - later) if key in old}
    edits = Edits(
        synapse, texts, untrusted_files.contents(paths, files), changed,
        carried, _free_name(paths), rendered,
    )  # fmt: skip
    if not edits.text:
        return edits
    # The linter may refuse what Synapse itself took.
    more = {edits.addition.name: edits.text}
    return replace(edits, rendered=render_host(paths, settings, more))


def report(paths: Paths, edits: Edits) -> Iterator[str]:
    """What will happen, for a person; secrets never appear."""
    if edits.carried:
        yield f"Kept as they are, in {edits.addition}:"
        yield from (f"  {key}" for key in edits.carried)
    if idle := sorted(edits.changed - set(edits.carried)):
        yield "Without effect already, because settings.yaml or conf.d say otherwise:"
        yield from (f"  {key}" for key in idle)
    yield "Files:"
    names = {path: str(path.relative_to(paths.root)) for path in edits.packaged}
    old = {names[path]: text.decode(errors="replace") for path, text in edits.found.items()}
    new = {names[path]: text.decode(errors="replace") for path, text in edits.packaged.items()}
    if edits.text:
        new[str(edits.addition.relative_to(paths.root))] = edits.text
    yield from differences(old, new, labels=("now", "adopted"))


def adopt(host: Host) -> tuple[Report, Path]:
    """Do it; what was done, and where the edited files are. MatrixConfigError: nothing changed."""
    paths = host.paths
    with exclusive(paths):
        edits = decide(paths)
        store = Store(paths, edits.rendered.accounts)
        _require_same(paths, store, edits)
        kept = _keep(store, edits)
        if edits.text:
            disk.ensure_directory(paths.synapse_additions, 0o755)
            # Root's alone: it may hold passwords, as homeserver.yaml did.
            disk.write_new(edits.addition, edits.text.encode(), 0o600)
    try:
        first = apply(host)
    except BaseException:
        edits.addition.unlink(missing_ok=True)
        raise
    with exclusive(paths):
        for path, text in edits.packaged.items():
            if edits.found.get(path) == untrusted_files.content(paths, path):
                disk.replace(path, text, 0o644, 0)
    second = apply(host)
    done = (*first.done, *(f"brought {path} back" for path in edits.packaged), *second.done)
    return Report(second.generation, done, second.notices), kept


def _require_same(paths: Paths, store: Store, edits: Edits) -> None:
    """ValidationError unless Synapse reads afterwards what it reads now, option by option."""
    before = read_present(paths, edits.synapse)
    directory = store.write_candidate(
        edits.rendered.files, package_version(), settings_text(paths.settings)
    )
    try:
        after = read_candidate(paths, edits.synapse, directory, dict(edits.packaged))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    # Settings that were not applied yet are the next apply's business, not ours.
    now, then = config_files.read_generated(paths.current), edits.rendered.options
    pending = {key for key in {*now, *then} if now.get(key) != then.get(key)} - {*edits.carried}
    # A candidate names its own files where the current generation names those in `current`.
    pending |= {key for key, value in then.items() if str(value).startswith(f"{CURRENT}/")}
    different = differing(before.options, after.options, pending)
    different += [key for key, value in before.secrets.items() if after.secrets[key] != value]
    require_none(
        different, "write it into synapse.d yourself, then `altpeter-matrix apply`, then adopt"
    )


def _keep(store: Store, edits: Edits) -> Path:
    directory = store.set_aside_directory()
    for path, text in edits.found.items():
        name = str(path.relative_to(store.paths.root)).replace("/", "_")
        disk.write_new(directory / name, text, 0o600)
    disk.synchronise_directory(directory)
    return directory


def _free_name(paths: Paths) -> Path:
    names = ("adopted-edits.yaml", *(f"adopted-edits-{number}.yaml" for number in range(2, 100)))
    return next(path for name in names if not (path := paths.synapse_additions / name).exists())


def _is_default(key: str, options: Mapping[str, Any]) -> bool:
    return key in DEFAULTS and same(key, options[key], DEFAULTS[key])


def _of_conf_d(paths: Paths) -> dict[str, Any]:
    others = config_files.others(paths)
    in_conf_d = [path for path in others if path.parent == paths.synapse_conf_d]
    return dict(config_files.merged(paths, in_conf_d))
