"""Configuration of others that shows only at the next start."""

from collections.abc import Mapping

from . import Made

_CONF = "/etc/postgresql/$(ls /etc/postgresql)/main/conf.d/zz.conf"
_DROP_IN = "/run/systemd/system/nginx.service.d/zz-broken.conf"

MADE: Mapping[str, Made] = {
    "nginx-would-not-start": Made(
        "echo 'nonsense;' >/etc/nginx/conf.d/zz.conf", cure="rm /etc/nginx/conf.d/zz.conf"
    ),
    "synapse-would-not-start": Made(
        "echo 'max_upload_size: nonsense' >/etc/matrix-synapse/conf.d/zz.yaml",
        cure="rm /etc/matrix-synapse/conf.d/zz.yaml",
        beside=("change-pending",),
    ),
    "postgresql-would-not-start": Made(
        f"echo 'max_connections = many' >{_CONF}", cure=f"rm {_CONF}"
    ),
    "unit-broken": Made(
        f"mkdir -p $(dirname {_DROP_IN}); printf '[Service]\\nExecStart=\\n' >{_DROP_IN};"
        " systemctl daemon-reload",
        cure=f"rm {_DROP_IN}; systemctl daemon-reload",
    ),
}
NOT_MADE: Mapping[str, str] = {}
