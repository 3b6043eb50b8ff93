"""What systemd says of units, and how somebody undoes what was done to one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..base.commands import run

_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "NRestarts",
    "ActiveEnterTimestampMonotonic", "InactiveExitTimestampMonotonic", "ControlGroup", "MainPID",
)  # fmt: skip


@dataclass(frozen=True)
class UnitState:
    """One unit. since: when it came up; began: when its start began; in seconds of the monotonic
    clock; 0: never."""

    name: str
    load: str
    active: str
    sub: str
    result: str
    file: str
    restarts: int
    since: float
    began: float
    group: str
    process: int

    @property
    def runs(self) -> bool:
        return self.active in {"active", "reloading"}

    @property
    def exists(self) -> bool:
        return self.load in {"loaded", "masked"}

    @property
    def masked(self) -> bool:
        return "masked" in {self.load, self.file} or self.file == "masked-runtime"

    @property
    def how(self) -> str:
        """In a word or two, for a person."""
        return "masked" if self.masked else f"{self.active} ({self.sub})"


def states(units: Iterable[str]) -> dict[str, UnitState]:
    """Each of the units, in one call."""
    wanted = list(units)
    shown = run("systemctl", "show", f"--property={','.join(_PROPERTIES)}", *wanted, timeout=10)
    return parse(shown.stdout)


def parse(shown: str) -> dict[str, UnitState]:
    """What `systemctl show` prints for several units."""
    blocks = (
        dict(line.partition("=")[::2] for line in block.splitlines())
        for block in shown.strip().split("\n\n")
    )
    return {block["Id"]: _state(block) for block in blocks if block.get("Id")}


def _state(block: Mapping[str, str]) -> UnitState:
    def number(name: str) -> int:
        text = block.get(name, "")
        return int(text) if text.isdigit() else 0

    return UnitState(
        name=block["Id"],
        load=block.get("LoadState", ""),
        active=block.get("ActiveState", ""),
        sub=block.get("SubState", ""),
        result=block.get("Result", ""),
        file=block.get("UnitFileState", ""),
        restarts=number("NRestarts"),
        since=number("ActiveEnterTimestampMonotonic") / 1e6,
        began=number("InactiveExitTimestampMonotonic") / 1e6,
        group=block.get("ControlGroup", ""),
        process=number("MainPID"),
    )


def start(unit: UnitState) -> str:
    """The command that has it run, now and after each boot."""
    unmask = f"systemctl unmask {unit.name} && " if unit.masked else ""
    # A static one is started by others, and cannot be enabled.
    enable = unit.file in {"disabled", "enabled", "masked"} and not unit.name.startswith(_OURS)
    return f"{unmask}systemctl {'enable --now' if enable else 'start'} {unit.name}"


_OURS = "altpeter-matrix-"
