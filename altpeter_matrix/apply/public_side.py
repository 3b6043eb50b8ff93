"""What clients and other servers meet: the certificate that is served, nginx, Synapse behind it."""

from collections.abc import Iterator, Mapping

from ..base.accounts import read_accounts
from ..base.errors import MatrixConfigError, Objection, Problem, error, warning
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.resources import document
from ..host import certificate, certificate_state
from ..host.certificate_state import CertificateState
from ..host.links import Links
from ..settings.model import Settings
from .activation import Host
from .generations import Store
from .prepared import read_settings, settings_in_use
from .services import NGINX, SYNAPSE, Unit

# A third of the 90 days that certificates have: certbot renews earlier than that.
_FEW_DAYS = 21


class PublicSide:
    """Asks the host for what it was told to serve.

    What settings.yaml asks for meanwhile is pending, which is not said here; it still has to be
    readable.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.paths: Paths = host.paths
        self.certificate: CertificateState | None = None
        self.placeholder = False

    def problems(self) -> list[Problem]:
        """All that is wrong; what keeps it from being looked at included."""
        found: list[Problem] = []
        try:
            for one in self.objections(self.host.services.units_if_present()):
                found += [one.problem] if one.severity == "error" else []
        except (MatrixConfigError, OSError) as problem:
            found += problems_of(problem)
        return found

    def objections(self, units: Mapping[str, Unit]) -> Iterator[Objection]:
        """units: nginx's and Synapse's, as `Services.units` shows them."""
        read_settings(self.paths)
        settings = settings_in_use(self.paths)
        yield from self.certificate_objections(settings)
        for problem in self.unanswered(settings, units):
            yield Objection("error", problem)

    def unanswered(self, settings: Settings, units: Mapping[str, Unit]) -> list[Problem]:
        """What runs and does not answer as it must."""
        running = {program: unit.running for program, unit in units.items()}
        site = Links(self.paths).nginx_site_wanted()
        nginx = running.get(NGINX, False) and site
        synapse = running.get(SYNAPSE, False)
        return self.host.probe(settings, nginx=nginx, synapse=synapse, at_once=True)

    def certificate_objections(self, settings: Settings) -> Iterator[Objection]:
        """What is wrong with the certificate, on disk and as it is served; each with its ID."""
        chosen = certificate.choose(self.paths, settings.public_name)
        self.placeholder = chosen.placeholder
        state = certificate_state.on_disk(self.paths.on_host(chosen.fullchain))
        self.certificate = state
        where = str(chosen.fullchain)
        if state is None:
            if Store(self.paths, read_accounts(self.paths.root)).current_number() is not None:
                yield error(
                    where, "holds no certificate", "run `altpeter-matrix apply`",
                    "certificate-missing",
                )  # fmt: skip
            return
        if chosen.placeholder:
            yield warning(
                where, "is the self-signed placeholder: other servers and clients refuse it",
                "get a certificate: run the deploy, or certbot as in"
                f" {document('deploy.md')}", "certificate-placeholder",
            )  # fmt: skip
        else:
            yield from _expiry(where, state, settings)
        shown = certificate_state.served(settings.public_name)
        if shown is not None and shown.fingerprint != state.fingerprint:
            yield error(
                "nginx", f"does not serve the certificate in {where}",
                "`systemctl reload nginx && altpeter-matrix apply`", "certificate-not-served",
            )  # fmt: skip


def _expiry(where: str, state: CertificateState, settings: Settings) -> Iterator[Objection]:
    renew = "run `certbot renew` and read its log, /var/log/letsencrypt/letsencrypt.log"
    if state.days_left < 0:
        yield error(where, "has expired", renew, "certificate-expired")
    elif state.days_left < _FEW_DAYS:
        # Not the number of days: who is told of what changes would be told each day.
        what = f"expires in less than {_FEW_DAYS} days"
        yield warning(where, what, renew, "certificate-expires-soon")
    for name in settings.certificate_names:
        if name not in state.names and f"*.{name.partition('.')[2]}" not in state.names:
            yield warning(
                where, f"does not cover {name}", "run the deploy again", "certificate-lacks-name"
            )
