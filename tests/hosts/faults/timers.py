"""What runs by itself."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {
    "renewal-timer-stopped": Made("systemctl disable --now certbot.timer"),
    "update-timer-stopped": Made("systemctl mask --now apt-daily-upgrade.timer"),
    "log-timer-stopped": Made("systemctl stop logrotate.timer"),
    "own-unit-stopped": Made("systemctl stop altpeter-matrix-upgrade-check.timer"),
}
NOT_MADE: Mapping[str, str] = {}
