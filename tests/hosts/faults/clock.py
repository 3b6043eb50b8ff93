"""The clock. A lab host has its controller's, and nobody may set it."""

from collections.abc import Mapping

from . import Made

_RECORD = "/var/lib/altpeter-matrix/status.json"

MADE: Mapping[str, Made] = {
    "clock-service-stopped": Made("systemctl mask --now systemd-timesyncd"),
    # As if it had been written by a clock that was right.
    "clock-behind": Made(f"touch -d '2 days' {_RECORD}", cure=f"touch {_RECORD}"),
}
NOT_MADE: Mapping[str, str] = {
    "clock-kept-by-nobody": "unit/status/checks/test_clock.py: in a container it is not asked",
    "clock-not-synchronised": "unit/status/checks/test_clock.py: in a container it is not asked",
}
