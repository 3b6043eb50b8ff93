"""Whether the server serves, asked as a client would: before its database moves and after."""

from ..base.errors import HostError, Problem
from ..host.links import Links
from .activation import Host
from .prepared import settings_in_use
from .services import NGINX, SYNAPSE

_PATIENCE = 30.0


class Serving:
    """Of this host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def require(self) -> None:
        """HostError unless all that runs is well."""
        if problems := self._problems(0):
            raise HostError(
                Problem(one.where, f"{one.what}, before anything was changed", one.remedy)
                for one in problems
            )

    def start(self) -> None:
        """Start Synapse; HostError when it does not serve then."""
        self.host.services.start(SYNAPSE)
        if problems := self._problems(_PATIENCE):
            raise HostError(problems)

    def is_to_run(self) -> bool:
        """Whether nobody stopped Synapse on purpose."""
        return self.host.services.units()[SYNAPSE].stopped_on_purpose is None

    def _problems(self, patience: float) -> list[Problem]:
        units = self.host.services.units()
        site = Links(self.host.paths).nginx_site_wanted()
        return self.host.probe(
            settings_in_use(self.host.paths),
            nginx=units[NGINX].running and site,
            synapse=units[SYNAPSE].running,
            patience=patience,
        )
