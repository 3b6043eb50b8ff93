"""What can go wrong while a package is upgraded: killed, without power, without space."""

from dataclasses import dataclass

from .states import SITE

STATE = "/var/lib/altpeter-matrix"
SHARE = "/usr/share/altpeter-matrix-config"
ASIDE = "/root/aside"
# A library that has a program live in the past, from past.c.
PAST = "/usr/local/lib/past.so"


@dataclass(frozen=True)
class Moment:
    """So long after dpkg has logged a stage of its work."""

    stage: str
    seconds: float = 0

    def __str__(self) -> str:
        return f"{self.stage} + {self.seconds} s"


_OURS, _NGINX = "altpeter-matrix-config:all", "nginx:amd64"
# Of an upgrade of our package together with nginx, in the order in which they come. The old
# version is still there at "half-configured", and the new one first at "half-installed".
MOMENTS = (
    Moment(f"upgrade {_OURS}"),
    Moment(f"status half-configured {_OURS}"),
    Moment(f"status half-installed {_OURS}"),
    Moment(f"status half-installed {_OURS}", 0.05),
    Moment("upgrade nginx-common:all"),
    Moment("status half-installed nginx-common:all"),
    Moment(f"upgrade {_NGINX}"),
    Moment(f"status half-installed {_NGINX}", 0.02),
    Moment(f"configure {_OURS}"),
    Moment(f"configure {_OURS}", 0.3),
    Moment(f"configure {_OURS}", 0.6),
    Moment("configure nginx-common:all"),
    Moment(f"configure {_NGINX}"),
    Moment(f"configure {_NGINX}", 0.2),
    Moment(f"trigproc {_OURS}"),
    Moment(f"trigproc {_OURS}", 0.3),
    Moment(f"trigproc {_OURS}", 0.6),
    Moment(f"trigproc {_OURS}", 1),
    Moment(f"trigproc {_OURS}", 1.5),
    Moment(f"trigproc {_OURS}", 2.2),
)


# The disk runs full before dpkg has unpacked ours, while it does, and while our scripts run.
FULL_MOMENTS = tuple(MOMENTS[number] for number in (0, 3, 9, 15))


@dataclass(frozen=True)
class Fault:
    """A host on which an upgrade cannot do all of its work.

    Shell commands make the fault, repair it, and clear away what made it. completes: whether the
    upgrade succeeds all the same. loses: what is lost by the fault itself.
    """

    name: str
    spoil: str
    repair: str = "true"
    clear: str = "true"
    completes: bool = True
    loses: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def _small(directory: str, options: str, fill: str) -> tuple[str, str, str]:
    """Another, small file system with the same content, filled; its repair and its removal.

    Once repaired, it has the room that an apply wants to see.
    """
    return (
        f"cp -a {directory} {ASIDE}; mount -t tmpfs -o mode=0755,{options} tmpfs {directory};"
        f" cp -a {ASIDE}/. {directory}/; {fill}",
        f"find {directory} -maxdepth 1 -name 'fill*' -delete",
        f"umount -l {directory}; rm -r {ASIDE}",
    )


_BYTES = "cat /dev/zero > {0}/fill 2>/dev/null || true"
_INODES = "seq -f {0}/fill.%.0f 5000 | xargs touch 2>/dev/null || true"
# Everything that systemd starts from then on lives more than a year ago, dpkg and all that it calls
# included. Files keep their times, so they are of the future.
_PAST = f"""
systemctl set-environment LD_PRELOAD={PAST}
test "$(systemd-run --quiet --pipe --wait date +%s)" -lt "$(($(date +%s) - 30000000))"
"""
_PRESENT = "systemctl unset-environment LD_PRELOAD; systemctl restart nginx matrix-synapse"

FAULTS = (
    Fault(
        "no room for the state",
        *_small(STATE, f"size=$(($(du -sm {ASIDE} | cut -f1) + 100))m", _BYTES.format(STATE)),
    ),
    Fault(
        "no inodes for the state",
        *_small(STATE, f"nr_inodes=$(($(find {ASIDE} | wc -l) + 400))", _INODES.format(STATE)),
    ),
    Fault(
        "no room to unpack",
        *_small(SHARE, f"size=$(($(du -sk {ASIDE} | cut -f1) + 64))k", _BYTES.format(SHARE)),
        completes=False,
    ),
    Fault(
        "read-only /etc",
        "mount --bind /etc /etc; mount -o remount,bind,ro /etc",
        "umount -l /etc",
    ),
    Fault("clock in the past", _PAST, _PRESENT),
    Fault("no state", f"rm -r {STATE}", loses=(SITE,)),
    Fault(
        "later links.json",
        f"echo '{{\"format\": 99}}' > {STATE}/links.json",
        f"rm {STATE}/links.json",
    ),
    Fault("later generation", f"echo '{{\"format\": 99}}' > {STATE}/current/generation.json"),
    Fault("later status.json", f"echo '[\"later\"]' > {STATE}/status.json"),
)
