"""How systemd starts the programs, and how often it had to."""

from collections.abc import Mapping

from . import Made

_DROP_IN = "/run/systemd/system/nginx.service.d/zz-restarts.conf"
_THE_SAME = "the same code as for the program that is made"

MADE: Mapping[str, Made] = {
    "nginx-not-enabled": Made("systemctl disable nginx"),
    "synapse-not-enabled": Made("systemctl disable matrix-synapse"),
    "postgresql-not-enabled": Made("systemctl disable postgresql"),
    "postgresql-not-started-at-boot": Made(
        "sed -i 's/^auto/manual/' /etc/postgresql/*/main/start.conf; systemctl daemon-reload"
    ),
    "nginx-keeps-restarting": Made(
        f"mkdir -p $(dirname {_DROP_IN}); systemctl stop nginx;"
        f" printf '[Service]\\nRestart=always\\nRestartSec=100ms\\n' >{_DROP_IN};"
        " systemctl daemon-reload; systemctl start nginx;"
        " for _ in 1 2 3; do systemctl kill -s KILL nginx; sleep 1; done",
        cure=f"rm {_DROP_IN}; systemctl daemon-reload; systemctl restart nginx",
    ),
    "nginx-killed-for-memory": Made(
        "cd /sys/fs/cgroup$(systemctl show -P ControlGroup nginx);"
        " echo $(($(cat memory.current) + 30000000)) >memory.max;"
        " sh -c 'echo $$ >cgroup.procs; exec tail /dev/zero' || true; sleep 1",
        beside=("nginx-down",),
    ),
}
NOT_MADE: Mapping[str, str] = {
    "systemd-missing": "package/test_dpkg.py: a chroot without systemd",
} | dict.fromkeys(
    (
        "synapse-keeps-restarting", "postgresql-keeps-restarting", "synapse-killed-for-memory",
        "postgresql-killed-for-memory",
    ),
    _THE_SAME,
)  # fmt: skip
