"""The homeserver itself: the host tool does it, the deploy only decides when it has to."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand, operation

from ..base.paths import ADMINISTRATOR_PASSWORD, DEFAULT_SITE_MARK, DEPLOY_STATE
from ..observe.host_state import HostState

APPLY = "altpeter-matrix apply"


@operation()
def applied(changed: bool, state: HostState) -> Generator[StringCommand, None, None]:
    """
    Make the settings effective.

    + changed: whether this deploy changes something that they depend on
    + state: what was observed on the host; it tells whether an earlier run is unfinished
    """
    if state.settled and not changed:
        host.noop("the settings are effective")
        return
    yield StringCommand(APPLY)


@operation()
def default_site_disabled(state: HostState) -> Generator[StringCommand, None, None]:
    """
    Disable the welcome page of nginx, once: whoever enables it again keeps it.

    + state: what was observed on the host
    """
    if state.default_site_decided:
        host.noop("the default site was decided on before")
        return
    if state.handmade:
        # What is enabled on a server that was there before is its administrator's decision.
        yield StringCommand(f"install -d -m 755 {DEPLOY_STATE} && : >{DEFAULT_SITE_MARK}")
        return
    # The mark comes last: killed before it, the next run does the same again.
    yield StringCommand(
        "rm -f /etc/nginx/sites-enabled/default && nginx -t -q && systemctl reload nginx &&",
        f"install -d -m 755 {DEPLOY_STATE} && : >{DEFAULT_SITE_MARK}",
    )


@operation()
def administrator(username: str | None, state: HostState) -> Generator[StringCommand, None, None]:
    """
    Make the first administrator's account, once. Its password never leaves the host.

    + username: the local part of the user ID; None makes nobody
    + state: what was observed on the host
    """
    if username is None or state.administrator is not None:
        host.noop("the administrator has an account" if username else "no administrator is wanted")
        return
    if not state.administrator_password:
        temporary = f"{ADMINISTRATOR_PASSWORD}.new"
        yield StringCommand(
            f"umask 077 && head -c 18 /dev/urandom | base64 | tr '+/' '-_' >{temporary} &&",
            f"mv -T {temporary} {ADMINISTRATOR_PASSWORD}",
        )
    yield StringCommand(
        "altpeter-matrix user create --admin --exists-ok --password-file",
        ADMINISTRATOR_PASSWORD,
        "--",  # a name may begin with a hyphen
        QuoteString(username),
        ">/dev/null",
    )
