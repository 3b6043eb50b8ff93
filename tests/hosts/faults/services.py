"""nginx and Synapse as systemd sees them, and the hold between them."""

from collections.abc import Mapping

from . import Made


def _breaks(unit: str) -> Made:
    """A unit whose program ends with an error at its start."""
    drop_in = f"/run/systemd/system/{unit}.service.d"
    return Made(
        f"mkdir -p {drop_in}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n'"
        f" >{drop_in}/zz-broken.conf; systemctl daemon-reload; ! systemctl restart {unit};"
        f" systemctl stop {unit}; ! systemctl start {unit}",
        cure=f"rm {drop_in}/zz-broken.conf; systemctl daemon-reload;"
        f" systemctl reset-failed {unit}; systemctl start {unit}",
    )


MADE: Mapping[str, Made] = {
    "synapse-stopped": Made("systemctl stop matrix-synapse"),
    "nginx-stopped": Made("systemctl mask --now nginx"),
    "nginx-down": _breaks("nginx"),
    "synapse-runs-older-configuration": Made("echo old >/run/altpeter-matrix/synapse.loaded"),
    "nginx-runs-older-configuration": Made("echo old >/run/altpeter-matrix/nginx.loaded"),
    "hold-does-not-listen": Made("systemctl stop altpeter-matrix-hold.socket"),
    "nginx-has-little-room": Made(
        "rm /etc/nginx/altpeter-matrix.conf; systemctl restart nginx;"
        " ln -s /run/altpeter-matrix/nginx.conf /etc/nginx/altpeter-matrix.conf",
    ),
}
NOT_MADE: Mapping[str, str] = {
    "synapse-down": "the same code as for nginx-down",
}
