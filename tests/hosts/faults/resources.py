"""Memory, and files that may be open."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {
    "memory-used-up": Made(
        "sed -E 's/^(MemAvailable|SwapFree):.*/\\1: 1000 kB/' /proc/meminfo >/root/meminfo;"
        " mount --bind /root/meminfo /proc/meminfo",
        cure="umount /proc/meminfo",
    ),
}
NOT_MADE: Mapping[str, str] = dict.fromkeys(
    ("nginx-files-used-up", "synapse-files-used-up"),
    "unit/status/test_live_checks.py: a process with a limit",
)
