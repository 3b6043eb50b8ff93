"""Memory, and files that may be open."""

from collections.abc import Mapping

from . import Made


def _few_files(unit: str) -> Made:
    return Made(
        f"pid=$(systemctl show -P MainPID {unit});"
        " prlimit --pid $pid --nofile=$(($(ls /proc/$pid/fd | wc -l) * 21 / 20)):65536",
        # What asks needs some, too.
        beside=("no-answer",),
    )


MADE: Mapping[str, Made] = {
    "memory-used-up": Made(
        "sed -E 's/^(MemAvailable|SwapFree):.*/\\1: 1000 kB/' /proc/meminfo >/root/meminfo;"
        " mount --bind /root/meminfo /proc/meminfo",
        cure="umount /proc/meminfo",
    ),
    "nginx-files-used-up": _few_files("nginx"),
    "synapse-files-used-up": _few_files("matrix-synapse"),
}
NOT_MADE: Mapping[str, str] = {}
