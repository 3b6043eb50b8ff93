"""What dpkg says of the packages that serve."""

from collections.abc import Iterator, Mapping

from ...upgrade.observation import dpkg_busy
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View


def packages(view: View) -> Iterator[Found]:
    broken = _broken(view.shared(looks.packages))
    if not broken or dpkg_busy(view.paths):
        return
    # It may have been at work until now.
    for name, state in _broken(looks.packages(view)).items():
        yield found("package-not-whole", package=name, state=state)


def _broken(packages: Mapping[str, looks.Package]) -> Mapping[str, str]:
    return {name: one.state for name, one in packages.items() if one.state != "installed"}


CHECKS = (Check("packages", packages, ("package-not-whole",), before_adoption=True, live=False),)
