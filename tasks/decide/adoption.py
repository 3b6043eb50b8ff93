"""Whether a server set up by hand is taken over, and what of the deploy would change it."""

from collections.abc import Iterator

from altpeter_matrix.base.errors import Problem

from ..inventory.target import Target
from ..observe.host_state import HostState
from . import certificate, firewall


def is_due(target: Target, state: HostState) -> bool:
    """Whether there is such a server, and the inventory asks for its adoption."""
    return target.adopt and bool(state.handmade)


def problems(target: Target, state: HostState) -> Iterator[Problem]:
    """What the deploy itself would change on a server that is to stay as it is."""
    settings = target.settings
    if settings.email is not None:
        yield Problem(
            f"{target.source}: email",
            "would replace what the server has for mail",
            "leave it out until the server is adopted, which keeps what there is",
        )
    for file in state.shared_sources:
        yield Problem(
            file,
            "names Synapse's repository beside others",
            "move that entry into a file of its own",
        )
    if settings.certificates.acme and certificate.is_of_another_authority(target, state):
        yield Problem(
            f"{target.source}: certificates.directory",
            f"is {settings.certificates.directory}, and the certificate that nginx serves is from "
            f"{state.certificate.server}",
            f'write "{state.certificate.server}"',
        )
    if settings.firewall.enabled and not state.firewall.enabled:
        ssh = {*state.sshd_ports, *(one.port for one in state.listening if one.program == "sshd")}
        opened = firewall.wanted_ports(settings, ssh)
        for port in (one for one in state.public_ports if one not in opened):
            yield Problem(
                f"{target.source}: firewall.allow",
                f"lacks {port}, which the server answers to the world on now",
                f'add "{port}", or write `"firewall": {{"enabled": False}}`',
            )
