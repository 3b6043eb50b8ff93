"""What can go wrong while a package is upgraded: killed, without power, without space."""

from dataclasses import dataclass

STATE = "/var/lib/altpeter-matrix"


@dataclass(frozen=True)
class Moment:
    """So long after dpkg has logged a stage of its work."""

    stage: str
    seconds: float = 0

    def __str__(self) -> str:
        return f"{self.stage} + {self.seconds} s"


_OURS, _NGINX = "altpeter-matrix-config:all", "nginx:amd64"
# Of an upgrade of our package together with nginx, in the order in which they come.
MOMENTS = (
    Moment(f"upgrade {_OURS}"),
    Moment(f"status half-installed {_OURS}"),
    Moment(f"status unpacked {_OURS}"),
    Moment(f"status unpacked {_OURS}", 0.2),
    Moment("upgrade nginx-common:all"),
    Moment("status half-installed nginx-common:all"),
    Moment("status unpacked nginx-common:all"),
    Moment(f"upgrade {_NGINX}"),
    Moment(f"status unpacked {_NGINX}"),
    Moment(f"configure {_OURS}"),
    Moment(f"status half-configured {_OURS}", 0.2),
    Moment("configure nginx-common:all"),
    Moment(f"configure {_NGINX}"),
    Moment(f"status half-configured {_NGINX}", 0.2),
    Moment(f"trigproc {_OURS}"),
    Moment(f"trigproc {_OURS}", 0.3),
    Moment(f"trigproc {_OURS}", 0.6),
    Moment(f"trigproc {_OURS}", 1),
    Moment(f"trigproc {_OURS}", 1.5),
    Moment(f"trigproc {_OURS}", 2.5),
)
# What `make test` tries of them.
SHORT = (MOMENTS[1], MOMENTS[3], MOMENTS[8], MOMENTS[10], MOMENTS[13], MOMENTS[16])
SHORT_POWER = (MOMENTS[2], MOMENTS[15])


@dataclass(frozen=True)
class Fault:
    """A host on which an upgrade cannot do all of its work. Shell commands make and repair it."""

    name: str
    spoil: str
    repair: str = "true"


def _small(options: str, fill: str) -> tuple[str, str]:
    """Another, small file system with the same content over our state, and its removal."""
    return (
        f"cp -a {STATE} /root/state; mount -t tmpfs -o mode=0755,{options} tmpfs {STATE};"
        f" cp -a /root/state/. {STATE}/; {fill}",
        f"umount {STATE}; rm -r /root/state",
    )


FAULTS = (
    Fault(
        "full disk",
        *_small(
            "size=$(($(du -sm /root/state | cut -f1) + 4))m",
            f"cat /dev/zero > {STATE}/fill 2>/dev/null || true",
        ),
    ),
    Fault(
        "no inodes",
        *_small(
            "nr_inodes=2000",
            f"n=0; while : > {STATE}/fill.$n; do n=$((n+1)); done 2>/dev/null || true",
        ),
    ),
    Fault(
        "read-only /etc",
        "mount --bind /etc /etc; mount -o remount,bind,ro /etc",
        "umount /etc",
    ),
    Fault("no state", f"rm -r {STATE}"),
    Fault("later links.json", f"echo '{{\"format\": 99}}' > {STATE}/links.json",
          f"rm {STATE}/links.json"),
    Fault("later generation", f"echo '{{\"format\": 99}}' > {STATE}/current/generation.json"),
    Fault("later status.json", f"echo '[\"later\"]' > {STATE}/status.json"),
)  # fmt: skip
