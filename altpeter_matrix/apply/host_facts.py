"""Reading the facts of this host that the generated files depend on."""

import os
import re
from pathlib import Path

from ..apt import repositories
from ..base.accounts import Accounts
from ..base.commands import run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..host import certificate, memory
from ..host.facts import HostFacts, Synapse, Version
from ..settings.model import Settings
from ..synapse import config_files

# Where each package that brings Synapse keeps the interpreter that can import it.
SYNAPSE_PYTHONS = {
    "matrix-synapse-py3": Path("/opt/venvs/matrix-synapse/bin/python"),
    "matrix-synapse": Path("/usr/bin/python3"),
}


def read_facts(paths: Paths, accounts: Accounts, settings: Settings) -> HostFacts:
    return HostFacts(
        nginx_version=nginx_version(),
        openssl_version=_version(run("openssl", "version").stdout, "openssl version"),
        synapse=synapse(paths, accounts),
        processors=len(os.sched_getaffinity(0)),
        ipv6=paths.on_host("/proc/net/if_inet6").exists(),
        certificate=certificate.choose(paths, settings.public_name),
        shared_repository_host=(
            repositories.host_of(settings.synapse_repository.uri)
            in repositories.shared_hosts(paths)
        ),
        memory=memory.total(paths),
        jemalloc=memory.jemalloc(paths),
    )


def nginx_version() -> Version:
    return _version(run("nginx", "-v").output, "nginx -v")


def synapse(paths: Paths, accounts: Accounts) -> Synapse | None:
    """The installed Synapse, upstream's package before Debian's."""
    for package, python in SYNAPSE_PYTHONS.items():
        if not (paths.package_lists / f"{package}.list").exists():
            continue
        shown = run("dpkg-query", "--show", "--showformat=${Version}", package, check=False)
        group = accounts.synapse_group()
        # Removed but not purged: the list of files is still there, the interpreter may not be.
        if not shown.ok or not shown.stdout or group is None or not _has_synapse(paths, package):
            continue
        name = config_files.merged_without_ours(paths).get("server_name")
        server_name = name if isinstance(name, str) and name else None
        return Synapse(package, shown.stdout, python, group, server_name)
    return None


def _has_synapse(paths: Paths, package: str) -> bool:
    if package == "matrix-synapse":
        return paths.on_host("/usr/lib/python3/dist-packages/synapse").is_dir()
    return paths.on_host(SYNAPSE_PYTHONS[package]).exists()


def _version(text: str, source: str) -> Version:
    match = re.search(r"\d+(?:\.\d+)+", text)
    if match is None:
        raise HostError(
            Problem(source, f"names no version: {text.strip()!r}", "reinstall the package")
        )
    return tuple(int(part) for part in match.group().split("."))
