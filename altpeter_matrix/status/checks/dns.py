"""What DNS says of this server's names, as this host's resolver has it."""

import ipaddress
from collections.abc import Collection, Iterator

from ...host import dns
from ...host.addresses import public_addresses
from ...settings import records
from ...synapse import health, outside
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View

# Of a host that a router stands for: which address that one has is not to be seen from here.
_PRIVATE = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    )
)
_KINDS = ("A", "AAAA")


def resolver(view: View) -> Iterator[Found]:
    """Whatever it answers, it answers."""
    try:
        dns.lookup(view.shared(looks.settings).public_name, "A")
    except dns.ResolverDead:
        yield found("resolver-dead")


def names(view: View) -> Iterator[Found]:
    own = dict(zip(_KINDS, public_addresses(), strict=True))
    for name in view.shared(looks.settings).certificate_names:
        known = {kind: dns.lookup(name, kind) for kind in _KINDS}
        if not any(known.values()):
            yield found("dns-name-missing", name=name)
        for kind in _KINDS:
            for address in known[kind]:
                if not _elsewhere(view, address, own[kind], name):
                    continue
                shown = ", ".join(own[kind]) or "none of that kind"
                if kind == "A":
                    yield found("dns-leads-elsewhere", name=name, address=address, own=shown)
                else:
                    yield found("dns-ipv6-leads-elsewhere", name=name, address=address, own=shown)


def _elsewhere(view: View, address: str, own: Collection[str], name: str) -> bool:
    return (
        address not in own and not behind_router(own) and not _is_this_server(view, address, name)
    )


def behind_router(own: Collection[str]) -> bool:
    """Whether all of some addresses are of the kind that nobody outside knows."""
    return bool(own) and all(
        any(ipaddress.ip_address(one) in network for network in _PRIVATE) for one in own
    )


def _is_this_server(view: View, address: str, name: str) -> bool:
    """Whether somebody stands there who hands requests on to here."""
    try:
        place = outside.Place(address, 443, name)
        there = outside.keys(outside.get(place, outside.KEYS, verified=False))
    except outside.Refused:
        return False
    return bool(there) and there == view.shared(own_keys)


def own_keys(view: View) -> dict[str, str]:
    """With what this Synapse says it signs, when it is asked over the loopback."""
    settings = view.shared(looks.settings)
    answer = health.get("localhost", outside.KEYS, port=settings.listener.port, tls=False).json()
    return dict(outside.keys(answer)) if isinstance(answer, dict) else {}


def services(view: View) -> Iterator[Found]:
    """One of the two records is enough: others ask for both."""
    settings = view.shared(looks.settings)
    wanted = [one for one in records.dns_records(settings, ipv4=(), ipv6=()) if one.type == "SRV"]
    if wanted and not any(_is_there(one) for one in wanted):
        yield found("dns-service-record-missing", name=wanted[0].name, record=wanted[0])


def _is_there(record: records.DnsRecord) -> bool:
    port, target = record.value.split()[2:]
    return any(
        (words[2], words[3].rstrip(".").lower()) == (port, target.lower())
        for words in (one.split() for one in dns.lookup(record.name, "SRV"))
        if len(words) == 4
    )


_DEAD = ("settings-refused", "resolver-dead")
CHECKS = (
    Check("the resolver", resolver, ("resolver-dead",), unless=("settings-refused",)),
    Check(
        "the addresses of the names",
        names,
        ("dns-name-missing", "dns-leads-elsewhere", "dns-ipv6-leads-elsewhere"),
        seconds=30.0,
        daily=True,
        unless=(*_DEAD, "synapse-stopped", "synapse-down", "no-answer"),
    ),
    Check(
        "SRV records",
        services,
        ("dns-service-record-missing",),
        seconds=15.0,
        daily=True,
        unless=_DEAD,
    ),
)
