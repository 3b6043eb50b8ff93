"""The certificate that clients and other servers are shown."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {}
NOT_MADE: Mapping[str, str] = dict.fromkeys(
    (
        "certificate-missing", "certificate-placeholder", "certificate-expired",
        "certificate-expires-soon", "certificate-lacks-name", "certificate-not-served",
    ),
    "made with the rest of this subject",
)  # fmt: skip
