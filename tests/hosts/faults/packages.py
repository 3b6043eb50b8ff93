"""What dpkg says of the packages that serve."""

from collections.abc import Mapping

from . import Made

MADE: Mapping[str, Made] = {
    "package-not-whole": Made(
        "sed -i '/^Package: certbot$/,/^$/ s/ installed$/ half-configured/' /var/lib/dpkg/status"
    ),
}
NOT_MADE: Mapping[str, str] = {}
