"""The addresses that the world may reach this host under."""

import ipaddress
import json

from ..base.commands import run

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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
    return _best(found, 4), _best(found, 6)


def _best(addresses: list[Address], version: int) -> list[str]:
    own = [address for address in addresses if address.version == version]
    return [str(address) for address in own if address.is_global] or [str(one) for one in own]
