"""A fingerprint of everything that the generated files depend on, cheap enough for every run.

Equal fingerprints mean that rendering again would give the same bytes, so `apply` can stop before
it loads a template engine or starts nginx and Synapse. Programs are represented by the time and
size of their files, which change with each new version.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..apt import repositories
from ..base import resources, untrusted_files
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.stamps import stamp
from ..host import memory
from ..postgresql import layout
from ..synapse import secrets_store

_PROGRAMS = (
    "/usr/sbin/nginx",
    "/usr/bin/openssl",
    "/var/lib/dpkg/info/matrix-synapse-py3.list",
    "/var/lib/dpkg/info/matrix-synapse.list",
    "/etc/os-release",
    "/proc/net/if_inet6",
)


def fingerprint(paths: Paths, watched: Iterable[str] = ()) -> str:
    """Of settings, additions, secrets, programs, certificates and this tool itself.

    watched: further files that the settings name (the mail account's password).
    """
    return _digest((*_parts(paths), *(stamp(paths.on_host(name)) for name in watched)))


def written_fingerprint(paths: Paths) -> str:
    """Of what the administrator wrote, and nothing else."""
    return _digest(_written(paths))


def given_fingerprint(paths: Paths) -> str:
    """Of what apply reads and never changes: when it is another afterwards, somebody else was."""
    return _digest(_given(paths))


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()


def _parts(paths: Paths) -> Iterator[str]:
    yield from _given(paths)
    # Synapse's own configuration: the server name, and keys that could override ours.
    yield from _of_synapse(paths)
    for path in sorted(paths.placeholder.iterdir()) if paths.placeholder.is_dir() else ():
        yield stamp(path)
    for name in secrets_store.GENERATED:
        yield stamp(paths.secrets / name)


def _given(paths: Paths) -> Iterator[str]:
    yield from _written(paths)
    yield f"processors {len(os.sched_getaffinity(0))}"
    yield f"memory {memory.total(paths)}, allocator {memory.jemalloc(paths)}"
    for program in _PROGRAMS:
        yield stamp(paths.on_host(program), exists_only=program.startswith("/proc"))
    yield f"PostgreSQL {layout.version_on_standard_port(paths)}"
    yield stamp(paths.synapse_drop_in)
    yield f"repositories side by side on {sorted(repositories.shared_hosts(paths))}"
    live = paths.letsencrypt / "live"
    for directory in sorted(live.iterdir()) if live.is_dir() else ():
        for name in ("fullchain.pem", "privkey.pem"):
            yield stamp(directory / name)  # through the link to the certificate itself
    # Not what Python compiles from it: that comes and goes while others run.
    own = [
        *Path(__file__).parents[1].rglob("*.py"),
        *resources.resource("settings.schema.json").parent.rglob("*.*"),
    ]
    for path in sorted(own):
        yield stamp(path)


def _written(paths: Paths) -> Iterator[str]:
    yield _content(paths.settings)
    yield from _texts(paths.synapse_additions, ".yaml")
    yield from _texts(paths.nginx_additions, ".conf")


def _of_synapse(paths: Paths) -> Iterator[str]:
    files: list[Path] = []
    for directory in (paths.synapse, paths.synapse_conf_d):
        try:
            names = untrusted_files.names(paths, directory)
        except (HostError, OSError) as error:
            yield f"{directory} {error}"
            continue
        files += (directory / name for name in names if name.endswith(".yaml"))
    for path, found in untrusted_files.contents_or_problems(paths, files).items():
        yield f"{path.name}\n{found if isinstance(found, Problem) else _text(found)}"


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="surrogateescape")


def _texts(directory: Path, suffix: str) -> Iterator[str]:
    if directory.is_dir():
        for path in sorted(directory.iterdir()):
            if path.name.endswith(suffix):
                yield f"{path.name}\n{_content(path)}"


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        return f"unreadable: {error.errno}"
