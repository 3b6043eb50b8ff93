"""How much memory this host has, and the allocator that Synapse may use."""

import re
import sysconfig
from pathlib import Path

from ..base.paths import Paths
from ..settings.sizing import STEP

# Of the package libjemalloc2, in Debian 12 and 13.
_JEMALLOC = "libjemalloc.so.2"
_DECIDED = re.compile(r"^[^#;\n]*\b(LD_PRELOAD|PYTHONMALLOC)=", re.MULTILINE)


def total(paths: Paths) -> int | None:
    """Bytes of memory that programs here may use, in whole steps; None: nobody says."""
    found = []
    shown = re.search(r"^MemTotal: +(\d+) kB$", _text(paths.on_host("/proc/meminfo")), re.MULTILINE)
    if shown:
        found.append(int(shown[1]) * 1024)
    # A container's share (cgroups(7)): there is no such file on a machine of its own.
    limit = _text(paths.on_host("/sys/fs/cgroup/memory.max")).strip()
    if limit.isdigit():
        found.append(int(limit))
    # At another boot the kernel may leave some bytes more, and nothing is to be done for that.
    return min(found) // STEP * STEP if found else None


def allocator_is_decided(paths: Paths) -> bool:
    """Whether somebody names an allocator for Synapse: in the file that its package has for that,
    or in a drop-in for its unit."""
    drop_ins = paths.on_host("/etc/systemd/system/matrix-synapse.service.d")
    files = [paths.on_host("/etc/default/matrix-synapse"), *sorted(drop_ins.glob("*.conf"))]
    return any(_DECIDED.search(_text(file)) for file in files)


def jemalloc(paths: Paths) -> Path | None:
    """The library as it is named on the host; None where it is missing, or not to be used."""
    if allocator_is_decided(paths):
        return None
    library = Path("/usr/lib") / (sysconfig.get_config_var("MULTIARCH") or "") / _JEMALLOC
    return library if paths.on_host(library).exists() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
