"""The TLS certificate, by http-01 through the running nginx."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from ..base.paths import ACME_WEBROOT
from ..decide import certificate as decision
from ..inventory.target import Target
from ..observe.host_state import HostState
from .homeserver import APPLY

_BUSY = "Another instance of Certbot is already running"


def patiently(*command: str | QuoteString) -> StringCommand:
    """A command of certbot's that waits, for five minutes, until another certbot has ended.

    The other may be its timer's, or what a deploy that was killed has left at work.
    """
    return StringCommand(
        'tries=0; until said=$(', *command, '2>&1); do tries=$((tries + 1));',
        f'case "$said" in *"{_BUSY}"*) [ "$tries" -lt 60 ] ;; *) false ;; esac ||',
        """{ printf '%s\\n' "$said" >&2; exit 1; }; sleep 5; done""",
    )  # fmt: skip


@operation()
def certificate(target: Target, state: HostState) -> Generator[StringCommand, None, None]:
    """
    Have certbot keep a certificate for exactly the names of the settings, and nginx serve it.

    + target: the host as it is wanted
    + state: what was observed on the host
    """
    settings = target.settings
    if not settings.certificates.acme:
        host.noop("certificates are the administrator's business")
        return
    if decision.is_right(target, state):
        host.noop("the certificate covers the names")
        return
    email = settings.certificates.email
    another_authority = decision.is_of_another_authority(target, state)
    names = [bit for name in settings.certificate_names for bit in ("-d", name)]
    yield patiently(
        "certbot certonly --non-interactive --quiet --agree-tos --webroot",
        "-w", ACME_WEBROOT,
        "--server", QuoteString(settings.certificates.directory),
        "--cert-name", QuoteString(settings.public_name),
        *map(QuoteString, names),
        # Names that came or went are no reason to ask.
        "--renew-with-new-domains",
        "--force-renewal" if another_authority else "--keep-until-expiring",
        *(("--email", QuoteString(email)) if email else ("--register-unsafely-without-email",)),
    )  # fmt: skip
    # certbot's deploy hook does not run at the first issue in the releases of Debian 12 and 13.
    yield StringCommand(APPLY)
