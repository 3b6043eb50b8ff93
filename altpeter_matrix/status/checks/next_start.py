"""Whether each program would start again: what others changed shows only at its next start."""

import time
from collections.abc import Iterator
from pathlib import Path

from ...apply.generations import Store
from ...apply.services import SYNAPSE
from ...base.commands import run
from ...base.errors import ValidationError
from ...host.links import NGINX_MAIN
from ...nginx import config_check as nginx_check
from ...postgresql import layout
from ...synapse import config_check as synapse_check
from ...synapse import config_files
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View
from .configuration import NO_FILES
from .supervision import programs

_STAMP = ("LOG:", "FATAL:", "ERROR:", "HINT:")


def nginx(view: View) -> Iterator[Found]:
    """Its own main file, with which it starts where ours is missing, and ours by the link to it:
    what has no path is looked for beside that."""
    ours = view.paths.root / NGINX_MAIN
    for file in (view.paths.nginx / "nginx.conf", *([ours] if ours.exists() else [])):
        if reason := nginx_check.rejected(file):
            yield found("nginx-would-not-start", file=file, reason=reason)
            return


def synapse(view: View) -> Iterator[Found]:
    """Its own parser, about the files as they are. It takes seconds of processor time: so it is not
    asked where the Synapse that runs began with these files, and once about others, as /run
    remembers what was accepted; each day anew, as a file that they name may be gone."""
    installed = view.shared(looks.synapse)
    store: Store = view.shared(looks.store)
    current = store.current()
    if installed is None or current is None:
        return
    if not view.daily and began_with(view, installed.package):
        return
    check = synapse_check.check if view.daily else synapse_check.check_once
    try:
        check(view.paths, installed, current.directory)
    except ValidationError as error:
        yield found("synapse-would-not-start", reason=error.problems[0].what)


def began_with(view: View, package: str) -> bool:
    """Whether Synapse was started after the last change of its files."""
    unit = view.shared(programs)[SYNAPSE]
    if not unit.runs or not unit.began:
        return False
    paths = view.paths
    files = [
        *config_files.files(paths), config_files.signing_key(paths), paths.current,
        paths.synapse_conf_d, paths.secrets, *paths.secrets.glob("*"),
        paths.package_lists / f"{package}.list",
    ]  # fmt: skip
    try:
        changed = max(one.lstat().st_ctime for one in files)
    except OSError:
        return False  # one is missing, or goes just now
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    return changed < time.time() - (now - unit.began)


def postgresql(view: View) -> Iterator[Found]:
    cluster = view.shared(looks.cluster)
    if cluster is None:
        return
    file = layout.configuration(view.paths, cluster.version, cluster.name) / "postgresql.conf"
    program = Path(f"/usr/lib/postgresql/{cluster.version}/bin/postgres")
    asked = run(
        "runuser", "-u", "postgres", "--", program, "-D", cluster.data, "-c",
        f"config_file={file}", "-C", "data_directory", timeout=5, check=False,
    )  # fmt: skip
    if not asked.ok:
        yield found("postgresql-would-not-start", file=file, reason=why(asked.output))
        return
    if not Path(asked.stdout.strip() or "/nonexistent").is_dir():
        yield found(
            "postgresql-would-not-start", file=file,
            reason=f"its data_directory {asked.stdout.strip()} is not there",
        )  # fmt: skip


def why(output: str) -> str:
    """PostgreSQL's words without the time before each."""
    lines = [line for line in output.splitlines() if any(mark in line for mark in _STAMP)]
    told = [line[line.index(mark) :] for line in lines for mark in _STAMP if mark in line]
    return " | ".join(told[:3]) or "it does not say why"


def unit_files(view: View) -> Iterator[Found]:
    """Units that systemd cannot use do not start again, either."""
    for unit in view.shared(programs).values():
        if unit.load in {"error", "bad-setting", "not-found"}:
            yield found("unit-broken", unit=unit.name, state=unit.load)


CHECKS = (
    Check("nginx would start", nginx, ("nginx-would-not-start",), seconds=8.0),
    Check(
        "Synapse would start",
        synapse,
        ("synapse-would-not-start",),
        seconds=60.0,
        unless=(*NO_FILES, "signing-key-missing"),
    ),
    Check(
        "PostgreSQL would start",
        postgresql,
        ("postgresql-would-not-start",),
        unless=("postgresql-cluster-missing",),
    ),
    Check("units are read", unit_files, ("unit-broken",), unless=("systemd-missing",)),
)
