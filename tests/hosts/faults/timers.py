"""What runs by itself."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {
    "renewal-timer-stopped": Made("systemctl disable --now certbot.timer"),
    "update-timer-stopped": Made("systemctl mask --now apt-daily-upgrade.timer"),
    "own-unit-stopped": Made("systemctl stop altpeter-matrix-upgrade-check.timer"),
}
NOT_MADE: Mapping[str, str] = {
    "log-timer-stopped": "the code of the other timers; the hosts of the lab have no logrotate",
}
