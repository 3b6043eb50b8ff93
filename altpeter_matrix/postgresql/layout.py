"""Debian's PostgreSQL clusters as their files tell, without asking any server."""

import re
from pathlib import Path

from ..base import untrusted_files
from ..base.paths import Paths

PORT = 5432  # where Synapse finds its database
SOCKET_DIRECTORY = "/var/run/postgresql"
# The version that each release supports with updates; of others nothing is known.
DEBIANS_OWN = {"12": 15, "13": 17}


def ports(paths: Paths) -> dict[tuple[int, str], int]:
    """The port of each cluster, by version and name."""
    found = {}
    files = sorted(paths.on_host("/etc/postgresql").glob("*/*/postgresql.conf"))
    for configuration, content in untrusted_files.contents_or_problems(
        paths, files, "postgres"
    ).items():
        version, name = configuration.parts[-3:-1]
        if not isinstance(content, bytes):
            continue
        text = content.decode(errors="replace")
        port = re.findall(r"^\s*port\s*=\s*'?(\d+)", text, re.MULTILINE)
        if version.isdigit():
            found[int(version), name] = int(port[-1]) if port else PORT
    return found


def version_on_standard_port(paths: Paths) -> int | None:
    """Major version of the cluster that Synapse reaches; None: there is none."""
    found = [version for (version, _name), port in ports(paths).items() if port == PORT]
    return max(found, default=None)


def servers(paths: Paths) -> list[int]:
    """Major versions whose server is installed, oldest first."""
    programs = paths.on_host("/usr/lib/postgresql").glob("*/bin/postgres")
    names = [program.parent.parent.name for program in programs]
    return sorted(int(name) for name in names if name.isdigit())


def of_this_release(paths: Paths) -> int | None:
    """The version that this Debian release brings; None when it is not known."""
    try:
        text = paths.on_host("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r'^VERSION_ID="?(\d+)', text, re.MULTILINE)
    return DEBIANS_OWN.get(match.group(1)) if match else None


def unit(version: int | str, name: str) -> str:
    """What systemd calls a cluster."""
    return f"postgresql@{version}-{name}.service"


def configuration(paths: Paths, version: int, name: str) -> Path:
    return paths.on_host(f"/etc/postgresql/{version}/{name}")


def data(paths: Paths, version: int, name: str) -> Path:
    """Where Debian's tools put the data of a new cluster."""
    return paths.on_host(f"/var/lib/postgresql/{version}/{name}")
