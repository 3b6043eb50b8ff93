"""Who can read what is secret, and change what this package believes."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...apply.diff import SECRET_LINE
from ...base.accounts import read_accounts
from ...host import certificate
from ...synapse import config_files
from ...synapse.secrets_store import GENERATED
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View


def secrets(view: View) -> Iterator[Found]:
    """By their modes: the way to them may be opened any day."""
    accounts = read_accounts(view.paths.root)
    name = accounts.synapse_group()
    group = accounts.groups.get(name) if name else None
    place = view.paths.secrets
    if not place.is_dir():
        return
    state = place.stat()
    if _mode(state) & 0o027 or not _is_roots(state) or state.st_gid not in {0, group}:
        yield found("secrets-directory-open", place=place, group=name or "root")
    for file in sorted(place.iterdir()):
        state = file.lstat()
        shared = file.name in GENERATED or state.st_gid == group
        bits = 0o027 if shared else 0o077
        if stat.S_ISREG(state.st_mode) and (
            _mode(state) & bits or not _is_roots(state) or (shared and state.st_gid != group)
        ):
            yield found(
                "secret-readable",
                file=file,
                owners=f"root:{name}" if shared else "root:root",
                mode="640" if shared else "600",
            )


def signing_key(view: View) -> Iterator[Found]:
    file = config_files.signing_key(view.paths)
    if open_to_all(file):
        yield found("signing-key-readable", file=file)


def private_key(view: View) -> Iterator[Found]:
    chosen = certificate.choose(view.paths, view.shared(looks.settings).public_name)
    file = view.paths.on_host(chosen.private_key)
    if open_to_all(file):
        yield found("private-key-readable", file=file)


def written(view: View) -> Iterator[Found]:
    """What the administrator wrote."""
    for file in (view.paths.settings, *sorted(view.paths.synapse_additions.glob("*.yaml"))):
        if open_to_all(file) and any(
            SECRET_LINE.match(line) for line in file.read_text("utf-8", "replace").splitlines()
        ):
            yield found("setting-readable", file=file)


def believed(view: View) -> Iterator[Found]:
    """What root reads and acts by."""
    paths = view.paths
    places = [paths.configuration, paths.settings, paths.state, paths.generations]
    for directory in (paths.synapse_additions, paths.nginx_additions):
        places += [directory, *sorted(directory.glob("*"))]
    for place in places:
        try:
            state = place.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(state.st_mode):
            continue
        if not _is_roots(state) or _mode(state) & 0o022:
            yield found("configuration-writable", place=place)


def open_to_all(path: Path) -> bool:
    """Whether every user of this host can read a file that is there."""
    try:
        real = path.resolve(strict=True)
        if not real.stat().st_mode & stat.S_IROTH:
            return False
        return all(one.stat().st_mode & stat.S_IXOTH for one in real.parents)
    except OSError:
        return False


def _mode(state: os.stat_result) -> int:
    return stat.S_IMODE(state.st_mode)


def _is_roots(state: os.stat_result) -> bool:
    return state.st_uid in {0, os.geteuid()}


CHECKS = (
    Check("secrets", secrets, ("secrets-directory-open", "secret-readable"), live=False),
    Check(
        "who reads the signing key",
        signing_key,
        ("signing-key-readable",),
        unless=("synapse-file-unusable",),
    ),
    Check(
        "who reads the key of the certificate",
        private_key,
        ("private-key-readable",),
        unless=("settings-refused",),
    ),
    Check("who reads settings", written, ("setting-readable",), live=False),
    Check("who writes settings", believed, ("configuration-writable",), live=False),
)
