"""The firewall, on hosts whose deploy manages it (`firewall.enabled`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...base.commands import run
from ...host import ufw
from ...postgresql import layout
from ...settings.model import Settings
from .. import looks, systemd
from ..check import Check
from ..found import Found, found
from ..view import View

UFW = Path("/usr/sbin/ufw")
UNIT = "ufw.service"
_FILES = {"IPv4": "user.rules", "IPv6": "user6.rules"}
_CHAINS = {"IPv4": ("iptables", "ufw-user-input"), "IPv6": ("ip6tables", "ufw6-user-input")}
_NEEDED_BY = {
    80: "the renewal of the certificate fails",
    443: "nobody reaches this server",
    8448: "other servers do not reach this one there",
}


@dataclass(frozen=True)
class Family:
    """One of the two protocols. live: None: the kernel has no chain of ufw's."""

    name: str
    rules: tuple[ufw.Rule, ...]
    live: frozenset[str] | None


@dataclass(frozen=True)
class Firewall:
    enabled: bool
    denies_incoming: bool
    families: tuple[Family, ...]

    @property
    def loaded(self) -> bool:
        return all(one.live is not None for one in self.families)


def managed(view: View) -> bool:
    """Only the deploy sets ufw up: where it never was, what keeps others away is not ours."""
    return view.paths.deployed.is_dir() and view.shared(looks.settings).firewall.enabled


def firewall(view: View) -> Firewall:
    etc = view.paths.on_host("/etc")
    defaults = _assignments(etc / "default/ufw")
    names = ["IPv4", *(["IPv6"] if defaults.get("IPV6") == "yes" else [])]
    return Firewall(
        enabled=_assignments(etc / "ufw/ufw.conf").get("ENABLED") == "yes",
        denies_incoming=defaults.get("DEFAULT_INPUT_POLICY", "drop") in {"drop", "reject"},
        families=tuple(_family(name, etc / "ufw" / _FILES[name]) for name in names),
    )


def _assignments(file: Path) -> Mapping[str, str]:
    lines = (line.partition("=") for line in file.read_text("utf-8").splitlines())
    return {name.strip(): value.strip().strip("\"'").lower() for name, _, value in lines}


def _family(name: str, file: Path) -> Family:
    program, chain = _CHAINS[name]
    shown = run(program, "-S", chain, check=False)
    return Family(
        name,
        tuple(ufw.rules(file.read_text("utf-8"))),
        ufw.live_ports(shown.stdout) if shown.ok else None,
    )


def is_on(view: View) -> Iterator[Found]:
    if not managed(view):
        return
    if not UFW.exists():
        yield found("firewall-missing")
        return
    state = view.shared(firewall)
    if not state.enabled or not state.loaded:
        yield found("firewall-off")
    elif not state.denies_incoming:
        yield found("firewall-lets-in-all")


def at_boot(view: View) -> Iterator[Found]:
    if not managed(view):
        return
    unit = systemd.states([UNIT])[UNIT]
    if unit.exists and (unit.masked or unit.file == "disabled"):
        how = "masked" if unit.masked else unit.file
        yield found("firewall-not-at-boot", unit=UNIT, how=how, command=systemd.start(unit))


def ports(view: View) -> Iterator[Found]:
    """What is to be open, and is not."""
    if not managed(view):
        return
    state, settings = view.shared(firewall), view.shared(looks.settings)
    for port, protocol in _wanted(settings):
        closing = _closing(state, port, protocol)
        if closing is not None:
            why = _NEEDED_BY.get(port, "what settings.yaml opens it for does not work")
            yield found("firewall-closes-port", port=f"{port}/{protocol}", why=why, command=closing)
        elif not _is_loaded(state, port, protocol):
            yield found("firewall-not-loaded", port=f"{port}/{protocol}")


def _wanted(settings: Settings) -> list[tuple[int, str]]:
    federation = [8448] if settings.federation.port_8448 else []
    named = (one.partition("/") for one in settings.firewall.allow)
    more = [(int(port), protocol) for port, _, protocol in named]
    return list(dict.fromkeys([*((port, "tcp") for port in (80, 443, *federation)), *more]))


def _closing(state: Firewall, port: int, protocol: str) -> str | None:
    """How somebody opens a port that is closed; None: it is open."""
    for family in state.families:
        rule = ufw.verdict(family.rules, port, protocol)
        if rule is None:
            return f"ufw allow {port}/{protocol}"
        if not rule.opens(port, protocol):
            return f"ufw delete {rule.action} {rule.name} && ufw allow {port}/{protocol}"
    return None


def _is_loaded(state: Firewall, port: int, protocol: str) -> bool:
    """Rules of another form look otherwise in the kernel, so only plain ones can be judged."""
    name = f"{port}/{protocol}"
    for family in state.families:
        rule = ufw.verdict(family.rules, port, protocol)
        if rule is not None and rule.name == name and name not in (family.live or ()):
            return False
    return True


def ssh(view: View) -> Iterator[Found]:
    """The way in for the administrator, from wherever he lets it be."""
    if not managed(view):
        return
    state = view.shared(firewall)
    for port in _ssh_ports():
        for family in state.families:
            rules = [one for one in family.rules if one.covers(port, "tcp")]
            if not any(one.opens(port, "tcp") for one in rules):
                refusing = next((one for one in rules if one.open_to_all), None)
                first = f"ufw delete {refusing.action} {refusing.name} && " if refusing else ""
                command = f"{first}ufw allow {port}/tcp"
                yield found("firewall-closes-ssh", port=f"{port}/tcp", command=command)
                break


def _ssh_ports() -> list[int]:
    sshd = Path("/usr/sbin/sshd")
    shown = run(sshd, "-T", check=False).stdout if sshd.exists() else ""
    words = (line.split() for line in shown.splitlines())
    return [int(one[1]) for one in words if len(one) == 2 and one[0] == "port"]


def inside(view: View) -> Iterator[Found]:
    """Ports that are for this host alone."""
    if not managed(view):
        return
    state, settings = view.shared(firewall), view.shared(looks.settings)
    wanted = {port for port, _ in _wanted(settings)}
    own = {settings.listener.port: "Synapse's listener for nginx", layout.PORT: "PostgreSQL"}
    if settings.metrics.enabled:
        own[settings.metrics.port] = "Synapse's metrics"
    for port, what in own.items():
        opening = [
            rule
            for family in state.families
            for rule in family.rules
            if rule.open_to_all
            and rule.name in {str(port), f"{port}/tcp"}
            and rule.opens(port, "tcp")
        ]
        if opening and port not in wanted:
            rule = opening[0]
            yield found(
                "firewall-opens-internal-port", port=port, what=what,
                command=f"ufw delete {rule.action} {rule.name}",
            )  # fmt: skip


_NONE = ("settings-refused", "firewall-missing")
_OFF = (*_NONE, "firewall-off")
CHECKS = (
    Check(
        "the firewall",
        is_on,
        ("firewall-missing", "firewall-off", "firewall-lets-in-all"),
        unless=("settings-refused",),
    ),
    Check(
        "the firewall at boot",
        at_boot,
        ("firewall-not-at-boot",),
        unless=(*_NONE, "systemd-missing"),
    ),
    Check(
        "ports that have to be open",
        ports,
        ("firewall-closes-port", "firewall-not-loaded"),
        unless=_OFF,
    ),
    Check("the port of SSH", ssh, ("firewall-closes-ssh",), unless=_OFF),
    Check("ports of this host alone", inside, ("firewall-opens-internal-port",), unless=_OFF),
)
