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
        f"mkdir -p $(dirname {_DROP_IN}); systemctl stop nginx; systemctl reset-failed nginx || :;"
        f" printf '[Service]\\nRestart=always\\nRestartSec=100ms\\n' >{_DROP_IN};"
        " systemctl daemon-reload; systemctl start nginx;"
        " for _ in 1 2 3; do systemctl kill -s KILL nginx; sleep 2; done",
        cure=f"rm {_DROP_IN}; systemctl daemon-reload; systemctl reset-failed nginx || :;"
        " systemctl restart nginx",
    ),
}
NOT_MADE: Mapping[str, str] = {
    "systemd-missing": "package/test_dpkg.py: a chroot without systemd",
} | dict.fromkeys(
    (
        "synapse-keeps-restarting", "postgresql-keeps-restarting",
    ),
    _THE_SAME,
) | dict.fromkeys(
    (
        "nginx-killed-for-memory", "synapse-killed-for-memory", "postgresql-killed-for-memory",
    ),
    "unit/status/test_systemd.py: not every machine of a lab can bound memory",
)  # fmt: skip
