"""What forbids a change on this host, found before anything is changed."""

import os
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from ..base import untrusted_files
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..host import requirements, restore_journal
from ..host.facts import HostFacts, Synapse
from ..host.requirements import FREE_TO_APPLY, INODES_TO_APPLY, MIB
from ..postgresql import database_record, synapse_database, upgrade_journal
from ..settings.model import Settings
from ..synapse import identity

if TYPE_CHECKING:
    from .prepared import Rendered

SOCKET = re.compile(r"socket:\[(\d+)\]")
SECOND_LOOK = 0.5  # seconds


def release_problems(paths: Paths) -> list[Problem]:
    """Only releases that the tests run on."""
    try:
        text = paths.on_host("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        text = ""
    problem = requirements.release_problem(requirements.os_release(text))
    return [problem] if problem else []


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
        elif free < (FREE_TO_APPLY if place != paths.runtime else MIB):
            found[device] = Problem(
                str(existing), f"its disk has only {free // MIB} MiB left", "free some space"
            )
        elif state.f_files and state.f_favail < INODES_TO_APPLY:
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
    found = []
    for port, holder in _holders(paths, wanted):
        unit, program = holder.unit, holder.program
        if unit == f"{wanted[port]}.service" or (wanted[port] == "nginx" and program == "nginx"):
            continue
        where = f"settings.yaml: {keys[port]}" if port in keys else f"port {port}"
        found.append(
            Problem(
                where,
                f"port {port} is taken by {holder}",
                holder.remedy + (" or choose another port" if port in keys else ""),
            )
        )
    return list({problem.what: problem for problem in found}.values())


@dataclass(frozen=True)
class _Holder:
    """The process that holds a socket, or nothing that can be seen from here."""

    process: str = ""
    program: str = ""
    unit: str = ""

    def __str__(self) -> str:
        if self.process:
            return f"{self.program} (process {self.process})"
        return "something that no process of this host holds"

    @property
    def remedy(self) -> str:
        if self.process:
            return f"stop it (`systemctl disable --now {self.unit or self.program}`)"
        return "look for it among containers and mounts (`ss -ltnpe`), stop it"


def _holders(paths: Paths, ports: Iterable[int]) -> list[tuple[int, _Holder]]:
    """Each of the ports that is listened on, with who does.

    The lists of sockets and of processes are two; a program that ends or closes a socket between
    them leaves a listener without a process. Only what is still like that later is reported so.
    """
    taken, owners = _look(paths, ports)
    for _ in range(2):
        if owners.keys() == taken.keys():
            break
        time.sleep(SECOND_LOOK)
        taken, owners = _look(paths, ports)
    held = ((port, owners.get(inode, _Holder())) for inode, port in taken.items())
    return sorted(held, key=itemgetter(0))


def _look(paths: Paths, ports: Iterable[int]) -> tuple[dict[str, int], dict[str, _Holder]]:
    taken = _listeners(paths, ports)
    return taken, _owners(paths, set(taken)) if taken else {}


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


def _owners(paths: Paths, inodes: set[str]) -> dict[str, _Holder]:
    """The process that holds each socket."""
    owners = {}
    for process in paths.on_host("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if held := inodes & _sockets(process):
                program = (process / "comm").read_text().strip()
                holder = _Holder(process.name, program, _unit_of(process))
                owners.update(dict.fromkeys(held, holder))
        except OSError:
            continue  # it ended while we looked
    return owners


def _sockets(process: Path) -> set[str]:
    """Inodes of a process's sockets."""
    inodes = set()
    for descriptor in (process / "fd").iterdir():
        with suppress(OSError):  # a busy server closes connections while we look
            if opened := SOCKET.fullmatch(os.readlink(descriptor)):
                inodes.add(opened[1])
    return inodes


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
    problems = [*release_problems(paths), *disk_problems(paths), *untrusted_files.problems(paths)]
    problems += [] if moving else identity.sqlite_problems(paths)
    if interruption := upgrade_journal.interruption(paths):
        # Whatever answers now may be the cluster that is given up.
        raise HostError(interruption)
    if half := restore_journal.interruption(paths):
        raise HostError(half)
    if services:
        problems += port_problems(paths, settings)
        try:
            if local is not None:
                found = synapse_database.inspect(local)
                problems += synapse_database.problems(local, found)
                problems += database_record.problems(paths, local, found)
                problems += identity.database_problems(paths, local)
            problems += identity.server_name_problems(paths, settings, synapse, local)
        except HostError as error:
            problems += error.problems
    elif synapse.server_name not in {None, settings.server_name} and paths.current.exists():
        problems += [identity.other_name(settings, synapse)]
    if problems:
        raise HostError(problems)
