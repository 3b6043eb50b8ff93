"""What a run showed, and all runs as one table."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from .cells import Cell, Run, State, Upgrade, Way

LETTERS = {Way.TERMINAL: "t", Way.CLOSED: "c", Way.UNATTENDED: "u", Way.DEPLOY: "d"}
COLUMNS = {
    Upgrade.OURS_THIS: "ours",
    Upgrade.OURS_NEXT: "next",
    Upgrade.OURS_BACK: "back",
    Upgrade.SYNAPSE: "Syn",
    Upgrade.SYNAPSE_HOMESERVER: "Syn+h",
    Upgrade.SYNAPSE_LOG: "Syn+l",
    Upgrade.TOGETHER: "both",
    Upgrade.NGINX: "nginx",
    Upgrade.POSTGRESQL: "PgSQL",
    Upgrade.RELEASE: "12>13",
}
LEGEND = (
    "t: apt upgrade at a terminal; c: apt-get with closed stdin; u: unattended-upgrade; d: deploy",
    "ours: previous > this; next: this > next; back: next > this; Syn: Synapse, the same conffiles",
    "+h, +l: with another homeserver.yaml, log.yaml; both: ours and Syn+h in one transaction",
    "a letter: nothing asked, nothing held back; in capitals: failed; with !: a conffile that was",
    "edited and not adopted stood in the way, and `altpeter-matrix status` announces it",
)


@dataclass(frozen=True)
class Outcome:
    """How many questions a run had, what it left out, and what was wrong, by state."""

    questions: int = 0
    held: tuple[str, ...] = ()
    announced: bool = False  # `status` names the edit that something is held back for
    general: tuple[str, ...] = ()
    by_state: Mapping[State, tuple[str, ...]] = field(default_factory=dict)
    seconds: float = 0

    @property
    def problems(self) -> tuple[str, ...]:
        stated = (f"{s}: {one}" for s, found in self.by_state.items() for one in found)
        return (*self.general, *stated)

    def holds_for(self, state: State) -> bool:
        return not self.general and not self.by_state.get(state)


def dump(run: Run, outcome: Outcome) -> str:
    """Both as text, for another process."""
    return json.dumps({"run": asdict(run), "outcome": asdict(outcome)})


def load(text: str) -> tuple[Run, Outcome]:
    """What `dump` was given."""
    data = json.loads(text)
    run, outcome = data["run"], data["outcome"]
    states = tuple(State(one) for one in run["states"])
    by_state = {State(name): tuple(found) for name, found in outcome["by_state"].items()}
    return (
        Run(run["host"], Upgrade(run["upgrade"]), states, Way(run["way"])),
        Outcome(
            **{
                **outcome,
                "held": tuple(outcome["held"]),
                "general": tuple(outcome["general"]),
                "by_state": by_state,
            }
        ),
    )


def table(outcomes: Mapping[Run, Outcome]) -> str:
    """Every cell that was tried, states by upgrades, and the totals."""
    marks: dict[Cell, str] = {}
    for run, outcome in outcomes.items():
        for cell in run.cells:
            letter = LETTERS[cell.way]
            if not outcome.holds_for(cell.state):
                letter = letter.upper()
            elif outcome.announced:
                letter += "!"
            marks[cell] = letter
    hosts = sorted({cell.host for cell in marks})
    width = max(len(state) for state in State) + 13
    rows = [f"{'':{width}}" + "".join(f"{name:9}" for name in COLUMNS.values())]
    for host in hosts:
        for state in State:
            texts = [
                "".join(marks.get(Cell(host, upgrade, state, way), "") for way in Way) or "."
                for upgrade in COLUMNS
            ]
            rows.append(f"{f'Debian {host}: {state}':{width}}" + "".join(f"{t:9}" for t in texts))
    return "\n".join([*(row.rstrip() for row in rows), "", *LEGEND, totals(outcomes)])


def totals(outcomes: Mapping[Run, Outcome]) -> str:
    """One line with all the numbers."""
    cells = sum(len(run.cells) for run in outcomes)
    failed = sum(
        not outcome.holds_for(state) for run, outcome in outcomes.items() for state in run.states
    )
    plain = [outcome for run, outcome in outcomes.items() if not run.collides]
    asked, held = _sum(plain)
    announced = [outcome for run, outcome in outcomes.items() if run.collides]
    asked_after, held_after = _sum(announced)
    seconds = sum(outcome.seconds for outcome in outcomes.values())
    return (
        f"{cells} cells in {len(outcomes)} runs ({seconds:.0f} s): {failed} failed;"
        f" questions asked {asked}, packages held back {held}"
        f" (with an edit that was not adopted, and announced: {asked_after} and {held_after})"
    )


def _sum(outcomes: Iterable[Outcome]) -> tuple[int, int]:
    outcomes = list(outcomes)
    return sum(o.questions for o in outcomes), sum(len(o.held) for o in outcomes)
