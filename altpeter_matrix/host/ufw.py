"""ufw: its rules as its files have them (ufw-framework(8)), and what of them the kernel has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_ANYWHERE = ("0.0.0.0/0", "::/0")
_TUPLE = re.compile(r"^### tuple ### (.+)$", re.MULTILINE)
_LIVE = re.compile(
    r"^-A ufw6?-user-input -p (tcp|udp) .*--dport (\d+) .*-j (?:ACCEPT|ufw6?-user-limit)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Rule:
    """One rule, as a tuple line of user.rules."""

    action: str
    protocol: str
    port: str
    open_to_all: bool
    comment: str

    def covers(self, port: int, protocol: str) -> bool:
        """Whether it says something about a port, for whichever addresses."""
        if self.protocol not in {protocol, "any"}:
            return False
        for part in self.port.split(","):
            low, _, high = part.partition(":")
            if part == "any" or int(low) <= port <= int(high or low):
                return True
        return False

    def opens(self, port: int, protocol: str) -> bool:
        return self.action in {"allow", "limit"} and self.covers(port, protocol)

    @property
    def name(self) -> str:
        """As the commands of ufw call what it is about."""
        return self.port if self.protocol == "any" else f"{self.port}/{self.protocol}"


def parse_rule(line: str) -> Rule:
    """`allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=…`, application names before `in`."""
    words = line.split()
    comment = next((w.partition("=")[2] for w in words if w.startswith("comment=")), "")
    action, protocol, port, destination, source_port, source = words[:6]
    incoming = "in" in words[6:]
    return Rule(
        action=action.partition("_")[0],
        protocol=protocol,
        port=port,
        open_to_all=(
            incoming and destination == source and source in _ANYWHERE and source_port == "any"
        ),
        comment=bytes.fromhex(comment).decode("utf-8", "replace") if comment else "",
    )


def rules(text: str) -> list[Rule]:
    """Those of a user.rules or user6.rules, in the order in which they count."""
    return [parse_rule(line) for line in _TUPLE.findall(text)]


def live_ports(shown: str) -> frozenset[str]:
    """`443/tcp` for each port that a chain of ufw accepts, as `iptables -S` shows it."""
    return frozenset(f"{port}/{protocol}" for protocol, port in _LIVE.findall(shown))


def verdict(found: Iterable[Rule], port: int, protocol: str = "tcp") -> Rule | None:
    """The first rule that decides on a port for everybody; None: the policy does."""
    return next((one for one in found if one.open_to_all and one.covers(port, protocol)), None)
