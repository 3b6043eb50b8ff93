"""How other servers get from the server name to this one, and whether it gets to them, as far as
that can be asked from here."""

from collections.abc import Iterator, Mapping
from typing import Any

from ...base.time_limit import side_by_side
from ...host.addresses import public_addresses
from ...postgresql.connection import Limits, Statement, as_synapse
from ...synapse import delegation, outside, server_keys
from ...synapse.outside import Place, Refused
from .. import looks
from ..check import Check
from ..found import Found, found
from ..view import View
from . import dns
from .postgresql import NO_DATABASE

# Synapse waits twice as long after each failure, from ten minutes to a week. Who has not answered
# for longer than that is gone, more likely than out of reach.
_GIVEN_UP = (
    "select count(*) filter (where retry_interval >= 6 * 3600000::bigint"
    " and failure_ts > (extract(epoch from now()) - 7 * 86400) * 1000),"
    " count(*) filter (where coalesce(retry_interval, 0) = 0) from destinations"
)
# Fewer may be a coincidence.
_FEW = 8
_LIMITS = Limits(seconds=5.0)


def incoming(view: View) -> Iterator[Found]:
    """The way from the server name, and at its end the key that others check signatures with, and
    Synapse."""
    settings = view.shared(looks.settings)
    ipv4, _ = public_addresses()
    # A router may not let a host reach itself by the router's address: what answers there says
    # nothing.
    if dns.behind_router(ipv4):
        return
    name = settings.server_name
    try:
        named = delegation.well_known(name)
    except Refused as refused:
        if settings.federation.delegation != "srv":
            yield found("delegation-not-published", name=name, reason=refused)
            return
        named = name
    wrong = _at_the_end(view, name, named)
    wanted = f"{settings.public_name}:443"
    # Somebody else may be named who hands requests on to here.
    if wrong is not None and named != name and named.lower() != wanted:
        wrong = found("delegation-leads-elsewhere", name=name, named=named, wanted=wanted)
    if wrong is not None:
        yield wrong


def _at_the_end(view: View, name: str, named: str) -> Found | None:
    """What is wrong at the last place that others try; nothing where one of them is right."""
    wrong: Found | None = None
    try:
        places = delegation.places(named)
    except Refused as refused:
        return found("federation-not-reachable", place=named, reason=refused)
    for place in places:
        wrong = _at(view, name, place)
        if wrong is None:
            break
    return wrong


def _at(view: View, name: str, place: Place) -> Found | None:
    def ask(path: str) -> Mapping[str, Any]:
        return outside.get(place, path, verified=True)

    try:
        shown, _version = side_by_side(ask, (outside.KEYS, outside.VERSION))
    except Refused as refused:
        return found("federation-not-reachable", place=place, reason=refused)
    if outside.keys(shown) != view.shared(dns.own_keys):
        return found("federation-key-of-another", place=place)
    if reason := server_keys.refusal(shown, name):
        return found("federation-keys-refused", place=place, reason=reason)
    return None


def outgoing(view: View) -> Iterator[Found]:
    """Whether Synapse has given up, for hours, most of the servers that it sends to."""
    database = view.shared(looks.database)
    if database is None or view.shared(looks.cluster) is None:
        return
    [[[given_up, reached]]] = as_synapse(database, Statement(_GIVEN_UP), limits=_LIMITS)
    if isinstance(given_up, int) and isinstance(reached, int):
        yield from judged(given_up, reached)


def judged(given_up: int, reached: int) -> Iterator[Found]:
    """Of the numbers of servers."""
    if given_up >= _FEW and given_up > reached:
        # In steps of double the number, so that it is not told again and again.
        yield found("servers-not-reached", least=1 << (given_up.bit_length() - 1))


_NO_NAME = (
    "settings-refused", "resolver-dead", "dns-name-missing", "dns-leads-elsewhere",
    "dns-ipv6-leads-elsewhere", "dns-service-record-missing",
)  # fmt: skip
_NO_CERTIFICATE = (
    "certificate-missing", "certificate-placeholder", "certificate-expired",
    "certificate-lacks-name", "certificate-chain-incomplete", "certificate-not-trusted",
)  # fmt: skip
_NOBODY_THERE = (
    "nginx-stopped", "nginx-down", "synapse-stopped", "synapse-down", "no-answer",
)  # fmt: skip
CHECKS = (
    Check(
        "federation as others see it",
        incoming,
        (
            "delegation-not-published", "delegation-leads-elsewhere", "federation-not-reachable",
            "federation-key-of-another", "federation-keys-refused",
        ),
        seconds=20.0,
        daily=True,
        unless=(*_NO_NAME, *_NO_CERTIFICATE, *_NOBODY_THERE),
    ),
    Check(
        "servers that Synapse sends to",
        outgoing,
        ("servers-not-reached",),
        daily=True,
        unless=NO_DATABASE,
    ),
)  # fmt: skip
