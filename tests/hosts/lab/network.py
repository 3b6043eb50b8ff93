"""The lab's bridge: IPv4 with masquerading for apt, IPv6 among the hosts only."""

from __future__ import annotations

import ipaddress
import json
import secrets
import zlib
from dataclasses import dataclass
from pathlib import Path

from . import kernel
from .commands import run
from .errors import LabError
from .ledger import Ledger

GATEWAY, SERVICES, FIRST_HOST = 1, 2, 10


@dataclass(frozen=True)
class Subnet:
    """The addresses of one lab.

    Neither private nor documentation ranges: Synapse refuses by default to federate with those,
    and the lab is to try the deployed configuration as it is. Class E and the unassigned 4000::/3
    are routed by nobody, so nothing outside can be hidden by them or be reached by mistake.
    """

    index: int

    @property
    def ipv4_network(self) -> str:
        return f"240.{self.index >> 8}.{self.index & 255}.0/24"

    @property
    def ipv6_network(self) -> str:
        return f"4000:6c61:62:{self.index:x}::/64"

    def ipv4(self, number: int) -> str:
        return str(ipaddress.IPv4Network(self.ipv4_network)[number])

    def ipv6(self, number: int) -> str:
        return str(ipaddress.IPv6Network(self.ipv6_network)[number])


def choose_subnet(seed: str) -> Subnet:
    """Return the subnet of a lab: always the same for one seed, unless it is in use."""
    links = json.loads(run("ip", "-json", "-4", "address").stdout)
    used = {
        ipaddress.IPv4Interface(f"{info['local']}/24").network
        for link in links
        for info in link.get("addr_info", [])
    }
    start = zlib.crc32(seed.encode())
    for offset in range(64):
        subnet = Subnet((start + offset) % 0xFFFF)
        if ipaddress.IPv4Network(subnet.ipv4_network) not in used:
            return subnet
    raise LabError("no free subnet for the lab")


def choose_token() -> str:
    """Return a token that no bridge of any lab carries: all that this run makes is named by it."""
    while True:
        token = secrets.token_hex(2)
        if not Path("/sys/class/net", f"lab-{token}").exists():
            return token


@dataclass(frozen=True)
class Network:
    """The bridge of one lab run and its addresses."""

    token: str
    subnet: Subnet

    @property
    def bridge(self) -> str:
        return f"lab-{self.token}"

    @property
    def table(self) -> str:
        return f"lab_{self.token}"

    def open(self, ledger: Ledger) -> None:
        """Make the bridge and let its hosts reach the outside over IPv4."""
        ledger.add("bridge", self.bridge)
        # An address of its own: else it takes a port's, and changes whenever a host comes or goes.
        mac = f"02:6c:61:62:{self.token[:2]}:{self.token[2:]}"
        run("ip", "link", "add", "name", self.bridge, "address", mac, "type", "bridge")
        for address in (f"{self.subnet.ipv4(GATEWAY)}/24", f"{self.subnet.ipv6(GATEWAY)}/64"):
            extra = ["nodad"] if ":" in address else []
            run("ip", "address", "add", address, "dev", self.bridge, *extra)
        run("ip", "link", "set", self.bridge, "up")
        ledger.add("nft table", self.table)
        run("nft", "--file", "-", input=self._rules())
        ledger.add("kernel settings", self.token)
        kernel.claim(self.token)

    def _rules(self) -> str:
        return f"""
            table inet {self.table} {{
                chain postrouting {{
                    type nat hook postrouting priority srcnat;
                    ip saddr {self.subnet.ipv4_network} oifname != "{self.bridge}" masquerade
                }}
            }}
        """
