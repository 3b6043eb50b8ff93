"""The TLS certificate: whether the one that is there will do, and whether certbot could get one."""

from collections.abc import Iterator

from altpeter_matrix.base.errors import Problem

from ..inventory.target import Target
from ..observe.host_state import HostState


def is_right(target: Target, state: HostState) -> bool:
    """Whether certbot keeps a certificate for what the settings ask for.

    One that has another name than ours was there before: it may cover other names as well.
    """
    found, settings = state.certificate, target.settings
    names = frozenset(settings.certificate_names)
    is_ours = found.lineage in {None, settings.public_name}
    return (
        found.valid
        and (found.names == names if is_ours else found.names >= names)
        and found.server == settings.certificates.directory
    )


def is_of_another_authority(target: Target, state: HostState) -> bool:
    """Whether there is one that is renewed by another authority than the settings name."""
    return state.certificate.server not in {None, target.settings.certificates.directory}


def _unresolved(target: Target, state: HostState) -> dict[str, frozenset[str]]:
    """Names of the certificate that do not lead to this host, each with where they lead."""
    ours = state.addresses | target.public_addresses
    return {
        name: found - ours
        for name in target.settings.certificate_names
        if not (found := state.names.get(name, frozenset())) or found - ours
    }


def problems(target: Target, state: HostState) -> Iterator[Problem]:
    """certbot would fail on these, so nothing is begun; one that is there needs no DNS."""
    if not target.settings.certificates.acme or is_right(target, state):
        return
    ours = ", ".join(sorted(state.addresses | target.public_addresses)) or "none"
    for name, elsewhere in _unresolved(target, state).items():
        if elsewhere:
            what = f"leads to {', '.join(sorted(elsewhere))}, which is not this host ({ours})"
            remedy = (
                "correct its A and AAAA records; if the host is behind NAT, name its address in "
                "`public_addresses` beside `matrix`"
            )
        else:
            what = f"has no address, so no certificate can be had (this host: {ours})"
            remedy = (
                "set its A and AAAA records and wait until the host's resolver (/etc/resolv.conf) "
                "answers with them"
            )
        yield Problem(f"DNS: {name}", what, f"{remedy}, or set certificates.acme: false")
