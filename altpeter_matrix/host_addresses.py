"""The addresses that the world may reach this host under."""

import ipaddress
import json

from .commands import run


def public_addresses() -> tuple[list[str], list[str]]:
    """IPv4 and IPv6 addresses of this host's interfaces, global ones if there are any.

    Behind NAT these are private ones: the records then need the router's address.
    """
    shown = json.loads(run("ip", "-json", "address", "show", "scope", "global", "up").stdout)
    found = [
        ipaddress.ip_address(info["local"])
        for interface in shown
        for info in interface.get("addr_info", ())
        if not info.get("temporary") and not info.get("deprecated")
    ]
    best = [address for address in found if address.is_global] or found
    return (
        [str(address) for address in best if address.version == 4],
        [str(address) for address in best if address.version == 6],
    )
