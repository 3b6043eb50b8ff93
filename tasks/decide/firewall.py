"""The firewall: everything is closed but what is named, and never the connection we came by."""

from collections.abc import Collection, Iterator

from altpeter_matrix.host.ufw import Rule, parse_rule
from altpeter_matrix.settings.model import Settings

from ..observe.host_state import Firewall

_COMMENT = "altpeter-matrix"


def wanted_ports(settings: Settings, ssh_ports: Collection[int]) -> tuple[str, ...]:
    """What is to be open, SSH first."""
    federation = [8448] if settings.federation.port_8448 else []
    ports = [f"{port}/tcp" for port in (*sorted(ssh_ports), 80, 443, *federation)]
    return tuple(dict.fromkeys([*ports, *settings.firewall.allow]))


def changes(
    wanted: Collection[str], ssh_ports: Collection[int], present: Firewall
) -> Iterator[tuple[str, ...]]:
    """The calls of ufw that close all ports but these, each as its arguments; none, if they are.

    wanted: as PORT/PROTOCOL. ssh_ports: those of them that SSH comes through.
    """
    rules = [parse_rule(line) for line in present.rules]
    missing = [port for port in wanted if not _is_open(port, rules, ssh_ports, present)]
    obsolete = _obsolete(wanted, rules)
    # First, so that there is no moment without: enabling it cuts off who is not allowed.
    yield from (("allow", port, "comment", _COMMENT) for port in missing)
    yield from (("delete", "allow", name) for name in obsolete)
    if not present.denies_incoming:
        yield "default", "deny", "incoming"
    if not present.enabled:
        yield "--force", "enable"
    elif (
        not (missing or obsolete)
        and present.denies_incoming
        and not (set(wanted) <= present.live_ports | _unseen(wanted, rules))
    ):
        # Its files are right, but the kernel has something else: a run was killed between.
        yield ("reload",)


def _is_open(
    name: str, rules: Collection[Rule], ssh_ports: Collection[int], present: Firewall
) -> bool:
    port, protocol = _split(name)
    opening = [rule for rule in rules if rule.opens(port, protocol)]
    if port in ssh_ports and present.enabled:
        # Whoever lets SSH in from some addresses only, or limits it, does so on purpose.
        return bool(opening)
    return any(rule.open_to_all for rule in opening)


def _obsolete(wanted: Collection[str], rules: Collection[Rule]) -> list[str]:
    """Rules that an earlier deploy made and that nobody wants now."""
    ours = [f"{rule.port}/{rule.protocol}" for rule in rules if rule.comment == _COMMENT]
    return [name for name in ours if name not in wanted]


def _unseen(wanted: Collection[str], rules: Collection[Rule]) -> set[str]:
    """Wanted ports opened by rules of another form, which the kernel's list shows differently."""
    plain = {f"{rule.port}/{rule.protocol}" for rule in rules if rule.open_to_all}
    return set(wanted) - plain


def _split(name: str) -> tuple[int, str]:
    port, _, protocol = name.partition("/")
    return int(port), protocol
