"""The lab's names, as a configuration for dnsmasq."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Zone:
    """All records below ``.test``; nothing below it is ever asked elsewhere."""

    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    services: dict[str, set[tuple[str, int]]] = field(default_factory=dict)

    def remove(self, name: str) -> None:
        """Forget every record of a name."""
        self.addresses.pop(name, None)
        self.services.pop(name, None)

    def render(self, resolvers: Sequence[str]) -> str:
        """Return the configuration; what is not ours is forwarded to ``resolvers``."""
        lines = ["no-resolv", "no-hosts", "local=/test/", "local-ttl=0", "cache-size=1000"]
        lines += ["user=dnsmasq", "group=nogroup"]
        lines += [f"server={address}" for address in resolvers]
        for name, addresses in sorted(self.addresses.items()):
            lines.append(f"host-record={name},{','.join(addresses)}")
        for name, targets in sorted(self.services.items()):
            lines += [f"srv-host={name},{target},{port},10,5" for target, port in sorted(targets)]
        return "\n".join([*lines, ""])
