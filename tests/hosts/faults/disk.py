"""Room on the disks."""

from collections.abc import Mapping

from . import Made

# Over the place that only notes what somebody wrote by hand, so that nothing that serves is hurt.
_PLACE = "/etc/altpeter-matrix"


def _small(options: str) -> str:
    """A file system of its own, with the same files."""
    return (
        f"mkdir -p /root/small; mount -t tmpfs -o {options},mode=755 small /root/small;"
        f" cp -a {_PLACE}/. /root/small/; mount --move /root/small {_PLACE} 2>/dev/null ||"
        f" {{ mount --bind /root/small {_PLACE}; umount -l /root/small; }}"
    )


_UMOUNT = f"umount {_PLACE}"
# The files in it are others.
_BESIDE = ("change-pending",)
MADE: Mapping[str, Made] = {
    "disk-read-only": Made(
        f"{_small('size=900M')}; mount -o remount,ro {_PLACE}", cure=_UMOUNT, beside=_BESIDE
    ),
    "disk-full": Made(_small("size=8M"), cure=_UMOUNT, beside=_BESIDE),
    "inodes-used-up": Made(_small("size=900M,nr_inodes=150"), cure=_UMOUNT, beside=_BESIDE),
    "reclaim-failed": Made(
        'echo \'{"format": 1, "runs": [{"time": "2026-01-01T00:00:00Z", "problems":'
        ' [["PostgreSQL database synapse", "does not answer",'
        ' "`altpeter-matrix usage reclaim` tries it again"]]}]}\''
        " >/var/lib/altpeter-matrix/reclaimed.json"
    ),
}
NOT_MADE: Mapping[str, str] = {
    "disk-nearly-full": "unit/status/test_disk.py: a disk that fills",
}
