"""What forbids a change on this host, found before anything is changed."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from . import database, database_journal, database_record, identity
from .errors import HostError, Problem
from .facts import HostFacts, Synapse
from .paths import Paths
from .settings import Settings

if TYPE_CHECKING:
    from .rendered import Rendered

SUPPORTED = ("12", "13")
UNRELEASED = ("forky", "sid")
LEAST_FREE = 64 * 1024**2


def release_problems(paths: Paths) -> list[Problem]:
    """Only releases that the tests run on."""
    try:
        text = paths.on_host("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        text = ""
    values = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.MULTILINE))
    if values.get("ID") == "debian":
        if values.get("VERSION_ID") in SUPPORTED:
            return []
        codename = values.get("VERSION_CODENAME", "")
        if codename in UNRELEASED or "sid" in values.get("PRETTY_NAME", ""):
            return []
    name = values.get("PRETTY_NAME") or "this system"
    return [Problem("/etc/os-release", f"{name} is not supported", "use Debian 12, 13 or unstable")]


def disk_problems(paths: Paths) -> list[Problem]:
    """A full disk stops PostgreSQL and Synapse anyway; it must not stop us halfway."""
    places = [
        paths.state, paths.configuration, paths.synapse_data, paths.on_host("/var/lib/postgresql"),
        paths.runtime,
    ]  # fmt: skip
    found: dict[int, Problem] = {}
    for place in places:
        existing = next(p for p in (place, *place.parents) if p.exists())
        state = os.statvfs(existing)
        device = existing.stat().st_dev
        free = state.f_bavail * state.f_frsize
        if os.access(existing, os.W_OK) is False:
            found[device] = Problem(
                str(existing), "is on a read-only file system", "look at `dmesg`, then repair it"
            )
        elif free < (LEAST_FREE if place != paths.runtime else 1024**2):
            found[device] = Problem(
                str(existing), f"its disk has only {free // 1024**2} MiB left", "free some space"
            )
        elif state.f_files and state.f_favail < 200:
            found[device] = Problem(str(existing), "its disk has no inodes left", "remove files")
    return list(found.values())


def port_problems(paths: Paths, settings: Settings) -> list[Problem]:
    """Ports that a foreign program holds."""
    wanted = {80: "nginx", 443: "nginx", settings.listener.port: "matrix-synapse"}
    if settings.federation.port_8448:
        wanted[8448] = "nginx"
    if settings.metrics.enabled:
        wanted[settings.metrics.port] = "matrix-synapse"
    keys = {settings.listener.port: "listener.port", settings.metrics.port: "metrics.port"}
    taken = _listeners(paths, wanted)
    if not taken:
        return []
    owners = _owners(paths, set(taken))
    found = []
    for inode, port in sorted(taken.items(), key=lambda item: item[1]):
        pid, program, unit = owners.get(inode, ("?", "an unknown program", ""))
        if unit == f"{wanted[port]}.service" or (wanted[port] == "nginx" and program == "nginx"):
            continue
        where = f"settings.yaml: {keys[port]}" if port in keys else f"port {port}"
        found.append(
            Problem(
                where,
                f"port {port} is taken by {program} (process {pid})",
                f"stop it (`systemctl disable --now {unit or program}`)"
                + (" or choose another port" if port in keys else ""),
            )
        )
    return list({problem.what: problem for problem in found}.values())


def _listeners(paths: Paths, ports: Iterable[int]) -> dict[str, int]:
    """Inode of each listening TCP socket on one of the ports (proc(5), /proc/net/tcp)."""
    listening = {}
    wanted = set(ports)
    for table in ("tcp", "tcp6"):
        try:
            lines = paths.on_host(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for row in (line.split() for line in lines):
            port = int(row[1].rpartition(":")[2], 16)
            if row[3] == "0A" and port in wanted:
                listening[row[9]] = port
    return listening


def _owners(paths: Paths, inodes: set[str]) -> dict[str, tuple[str, str, str]]:
    """The process, program and unit that hold each socket."""
    owners = {}
    for process in paths.on_host("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            sockets = {os.readlink(descriptor) for descriptor in (process / "fd").iterdir()}
            held = {inode for inode in inodes if f"socket:[{inode}]" in sockets}
            if held:
                program = (process / "comm").read_text().strip()
                unit = _unit_of(process)
                owners.update({inode: (process.name, program, unit) for inode in held})
        except OSError:
            continue  # it ended while we looked
    return owners


def _unit_of(process: Path) -> str:
    groups = (process / "cgroup").read_text()
    services = re.findall(r"/([^/\n]+\.service)", groups)
    return services[-1] if services else ""


def require_synapse(facts: HostFacts) -> Synapse:
    if facts.synapse is None:
        raise HostError(
            Problem(
                "Synapse",
                "is not installed",
                "add its apt repository, then `apt install matrix-synapse-py3`",
            )
        )
    return facts.synapse


def require_suitable(
    paths: Paths, rendered: "Rendered", services: bool, *, moving: bool = False
) -> None:
    """Raise every reason at once.

    services: systemd runs, so ports and PostgreSQL count. moving: from SQLite, in this adoption.
    """
    settings, synapse, local = rendered.settings, rendered.synapse, rendered.local_database
    problems = [*release_problems(paths), *disk_problems(paths)]
    problems += [] if moving else identity.sqlite_problems(paths)
    if interruption := database_journal.interruption(paths):
        # Whatever answers now may be the cluster that is given up.
        raise HostError(interruption)
    if services:
        problems += port_problems(paths, settings)
        try:
            if local is not None:
                found = database.inspect(local)
                problems += database.problems(local, found)
                problems += database_record.problems(paths, local, found)
                problems += identity.database_problems(paths, local)
            problems += identity.server_name_problems(paths, settings, synapse, local)
        except HostError as error:
            problems += error.problems
    elif synapse.server_name not in {None, settings.server_name} and paths.current.exists():
        problems += [identity.other_name(settings, synapse)]
    if problems:
        raise HostError(problems)
