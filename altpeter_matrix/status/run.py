"""All checks side by side, each with an end of its own.

A check that hangs costs its bound and no more: its programs are killed then (base/time_limit.py),
and its thread is left behind; `cli` ends the process without it.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..base.errors import MatrixConfigError
from ..base.failures import problems_of
from ..base.time_limit import within
from .check import Check
from .found import Found, found
from .view import View

# Of all checks together, whatever they wait for: somebody looks at the screen.
TOTAL = 8.0
DAILY_TOTAL = 120.0
# More at a time would only get into each other's way, also where twenty people ask at once.
_AT_ONCE = 16
# After its bound a check may still say what it could not ask.
_GRACE = 0.5
BY_HAND = "set-up-by-hand"
COULD_NOT_BE_ASKED = "could-not-be-asked"
_THREAD = "check: "

Outcome = Literal["well", "found", "skipped", "unknown", "not due", "not here"]


@dataclass(frozen=True)
class Answer:
    """What became of one check. because: the fault for which it was skipped, or why it could not be
    asked."""

    check: Check
    outcome: Outcome
    found: tuple[Found, ...] = ()
    because: str = ""
    seconds: float = 0.0


class _Asking:
    """A check in its thread; whoever settles it first says how it ended."""

    def __init__(self, view: View, check: Check, slots: threading.Semaphore, end: float) -> None:
        self.view, self.check, self.slots, self.end = view, check, slots, end
        self.begun = time.monotonic()
        self.running = threading.Event()
        self.settled = threading.Event()
        self.answer: Answer | None = None
        self._lock = threading.Lock()

    def start(self, needed: "Sequence[_Asking]") -> None:
        threading.Thread(
            target=self._work, args=(needed,), name=f"{_THREAD}{self.check.name}", daemon=True
        ).start()

    def settle(self, answer: Answer) -> None:
        with self._lock:
            if self.answer is None:
                self.answer = answer
        self.running.set()
        self.settled.set()

    def wait(self) -> Answer:
        """How it ended; it has until the end of all, or its own bound."""
        if not self.running.wait(max(0.0, self.end - time.monotonic())):
            self.settle(_unknown(self.check, "there was no time left to ask"))
        bound = min(self.end, self.begun + self.check.seconds) + _GRACE
        if not self.settled.wait(max(0.0, bound - time.monotonic())):
            self.settle(_unknown(self.check, "no answer in time"))
        return self.answer or _unknown(self.check, "no answer")

    def _work(self, needed: "Sequence[_Asking]") -> None:
        for one in needed:
            one.settled.wait()
        because = _dead_prerequisite(self.check, needed)
        if because:
            self.settle(Answer(self.check, "skipped", because=because))
            return
        with self.slots:
            self.begun = time.monotonic()
            self.running.set()
            self.settle(self._ask())

    def _ask(self) -> Answer:
        try:
            with within(min(self.check.seconds, self.end - time.monotonic())):
                told = tuple(dict.fromkeys(self.check.look(self.view)))
            if strange := {one.id for one in told} - set(self.check.faults):
                return _unknown(self.check, f"it yields {', '.join(sorted(strange))}")
        except Exception as error:  # whatever it is, the others go on
            return _unknown(self.check, _why(error))
        spent = time.monotonic() - self.begun
        return Answer(self.check, "found" if told else "well", told, seconds=spent)


def run(view: View, checks: Sequence[Check], *, daily: bool) -> list[Answer]:
    """What became of each check, in their order."""
    end = time.monotonic() + (DAILY_TOTAL if daily else TOTAL)
    slots = threading.Semaphore(_AT_ONCE)
    askings: dict[str, _Asking] = {}
    for check in checks:
        askings[check.name] = asking = _Asking(view, check, slots, end)
        if check.daily and not daily:
            asking.settle(Answer(check, "not due"))
        elif check.live and not view.live:
            asking.settle(Answer(check, "not here"))
        else:
            asking.start([askings[name] for name in prerequisites(check, checks)])
    return [asking.wait() for asking in askings.values()]


def prerequisites(check: Check, checks: Iterable[Check]) -> list[str]:
    """The names of the checks that say whether one is pointless: they come before it."""
    unless = _unless(check)
    return [one.name for one in checks if one is not check and unless & set(one.faults)]


def _unless(check: Check) -> set[str]:
    by_hand = () if check.before_adoption or BY_HAND in check.faults else (BY_HAND,)
    return {*check.unless, *by_hand}


def _dead_prerequisite(check: Check, needed: Iterable[_Asking]) -> str:
    """The fault that makes a check pointless. One that could not be asked makes none pointless."""
    unless = _unless(check)
    answers = [one.answer for one in needed if one.answer is not None]
    ids = [one.id for answer in answers for one in answer.found if one.id in unless]
    skipped = [answer.because for answer in answers if answer.outcome == "skipped"]
    return next(iter([*ids, *skipped]), "")


def _unknown(check: Check, why: str) -> Answer:
    return Answer(
        check, "unknown", (found(COULD_NOT_BE_ASKED, check=check.name, why=why),), why,
        check.seconds,
    )  # fmt: skip


def _why(error: BaseException) -> str:
    if isinstance(error, (MatrixConfigError, OSError)) and (problems := problems_of(error)):
        return f"{problems[0].where}: {problems[0].what}"
    return f"{type(error).__name__}: {error}"


def left_behind() -> bool:
    """Whether a check still hangs."""
    return any(thread.name.startswith(_THREAD) for thread in threading.enumerate())
