"""What a deploy says at its end: what was done, where the server is, and what is left to do."""

from collections.abc import Iterator
from ipaddress import ip_address

import click
from pyinfra.api import Host, State
from pyinfra.api.state import BaseStateCallback

from altpeter_matrix.settings.records import (
    WELL_KNOWN_HEADERS,
    DnsRecord,
    dns_records,
    documents_elsewhere,
)

from ..base.paths import ADMINISTRATOR_PASSWORD
from ..observe.host_state import HostState
from .site import Site

_ANOTHER = "name another in administrator.username, or write `administrator: null`"
_ABOUT_ADMINISTRATOR = {
    "active": f"its password is on the host, in {ADMINISTRATOR_PASSWORD}",
    "deactivated": f"is DEACTIVATED, nobody can log in as it: {_ANOTHER}",
    "ordinary": f"is an ordinary account, WITHOUT an administrator's rights: {_ANOTHER}",
}


class ClosingReport(BaseStateCallback):
    """Printed per host once it is disconnected, when everything that pyinfra prints is out."""

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}

    def host_disconnect(self, state: State, host: Host) -> None:  # type: ignore[override]
        site = self.sites.get(host.name)
        if site is not None and state.is_executing and host not in state.failed_hosts:
            click.echo("\n".join(["", *lines(site, done(state, host)), ""]), err=True)


def report_at_end(state: State, site: Site) -> None:
    """Have the report printed for this host when the deploy has ended well."""
    present = [h for h in state.callback_handlers if isinstance(h, ClosingReport)]
    handler = present[0] if present else ClosingReport()
    if not present:
        state.add_callback_handler(handler)
    handler.sites[site.target.name] = site


def done(state: State, host: Host) -> list[str]:
    """The operations that changed something on a host."""
    return [
        name
        for op_hash in state.get_op_order()
        if op_hash in state.ops[host] and state.ops[host][op_hash].operation_meta.did_change()
        for name in sorted(state.get_op_meta(op_hash).names)
    ]


def lines(site: Site, changes: list[str]) -> Iterator[str]:
    """The report, line by line."""
    target, settings = site.target, site.target.settings
    yield click.style(f"{target.name}: {settings.server_name} is deployed", bold=True)
    yield f"  done           {'; '.join(changes) or 'nothing, all was as wanted'}"
    if site.adoption:
        yield "  adopted        `altpeter-matrix adopt --undo` there brings the old files back"
    yield f"  address        https://{settings.public_name}"
    if target.administrator:
        yield f"  administrator  {target.administrator}"
        yield f"                 {_ABOUT_ADMINISTRATOR[site.state.administrator or 'active']}"
    if not settings.certificates.acme:
        yield "  certificate    yours to put into /etc/letsencrypt/live/" + settings.public_name
    yield from _dns(site)
    for document in documents_elsewhere(settings):
        yield f"  to publish at  {document.url}"
        yield f"                 {document.body}"
        yield f"                 with {WELL_KNOWN_HEADERS}"


def _dns(site: Site) -> Iterator[str]:
    ours = sorted(site.target.public_addresses or site.state.addresses)
    versions = {address: ip_address(address).version for address in ours}
    yield "  DNS records"
    for record in dns_records(
        site.target.settings,
        ipv4=[address for address in ours if versions[address] == 4],
        ipv6=[address for address in ours if versions[address] == 6],
    ):
        yield f"    {record}  {'is set' if _is_set(record, site.state) else 'is MISSING'}"


def _is_set(record: DnsRecord, state: HostState) -> bool:
    if record.type == "SRV":
        _priority, _weight, port, host = record.value.split()
        return (record.name, f"{port} {host}") in state.services
    return record.value in state.names.get(record.name, frozenset())
