"""From a version of Synapse that is wrong to the one before, step by step in the book.

How that one is found and installed: upgrade/rollback.py.
"""

import os
from dataclasses import replace

from ..apt import pins
from ..base import journal, timestamps
from ..base.commands import run
from ..base.errors import MatrixConfigError, Problem
from ..base.failures import problems_of
from . import history, observation, rollback
from .examination import Examination
from .history import Trial, WayBack
from .rollback import NoWayBack
from .trial_book import TrialBook, pin
from .trial_policy import Verdict, Watch, ready_within

# A full disk does not get emptier within seconds.
_MOST_ATTEMPTS = 5
# What is stuck is tried again: the disk may have been emptied, or the package be found. Seconds.
_UNSTUCK_AFTER = 3600
# The old version has no need to prove itself for long.
_SETTLE_AFTER_RETURN = 3.0


class GoingBack:
    """What follows from a verdict against a version; each step can be a killed run's last."""

    def __init__(self, examination: Examination, trials: TrialBook) -> None:
        self.paths = trials.paths
        self.examination = examination
        self.trials = trials

    def failed(self, trial: Trial, reason: Problem) -> None:
        """The version is wrong: go back, or say why it has to stay."""
        if trial.phase == "stuck":
            again = history.is_past(trial.stuck_since, _UNSTUCK_AFTER)
            if again and (way := trial.way_back):
                self.go(replace(trial, phase="going back", attempts=_MOST_ATTEMPTS - 1), way)
            return  # that is known
        telling = observation.said(timestamps.epoch(trial.began))
        if telling and telling not in reason.what:
            reason = replace(reason, what=f"{reason.what} ({telling})")
        journal.write(f"{trial.release} is wrong: {reason}", error=True)
        trial = replace(trial, reason=reason, migrating=False)
        if (way := trial.way_back) is None:
            self.trials.stuck(trial, reason, "there is no version before it on this host")
        else:
            self.go(replace(trial, phase="going back"), way)

    def go(self, trial: Trial, way: WayBack) -> None:
        """Bring the version before back, and see that it serves."""
        self.trials.note(trial)
        state = observation.unit().get("ActiveState")
        try:
            deb = rollback.find(self.paths, way.before, self.examination.database)
            pin(self.paths, way)
            replaceable = {way.failed, way.before}
            done = rollback.install(self.paths, deb, replaceable, running=state == "active")
        except (MatrixConfigError, OSError) as error:
            rollback.give_up(self.paths)
            trial = replace(trial, attempts=trial.attempts + 1)
            self.trials.note(trial)
            if trial.attempts >= _MOST_ATTEMPTS or isinstance(error, NoWayBack):
                pins.release(self.paths, way.failed.package, way.failed.version)
                self.trials.stuck(trial, way.reason, "; ".join(map(str, problems_of(error))))
                return
            raise
        if not done:
            return  # the monitor sees the version that came meanwhile
        trial = replace(trial, boot=observation.boot_id(self.paths))
        self.trials.note(trial)
        self.returned(trial, way)

    def returned(self, trial: Trial, way: WayBack) -> None:
        """The old version is installed: see that it serves, and close the matter."""
        self.paths.refused.unlink(missing_ok=True)
        pin(self.paths, way)
        run("systemctl", "start", "--no-block", rollback.UNIT, check=False)
        within = ready_within(self.trials.book.took)
        watch = Watch(settle=_SETTLE_AFTER_RETURN, within=within, restarts=observation.restarts())
        verdict = self.examination.verdict(watch, way.before)
        if verdict is None:
            return  # the monitor sees the version that came meanwhile
        note = ""
        if verdict is not Verdict.PASSED:
            why = watch.reason.what if watch.reason else f"it was {verdict}"
            note = f"the version before does not work either: {why}"
            journal.write(f"{way.before}: {note}", error=True)
            if watch.reason is not None and _same_answer(watch.reason, way.reason):
                # It is the settings, or the canary.
                pins.release(self.paths, way.failed.package, way.failed.version)
                self.trials.book = replace(self.trials.book, session=False)
        self.examination.apply()
        os.sync()
        note = note or self.examination.not_synapses_doing()
        self.trials.close(trial, "undone", good=way.before, note=note)
        journal.write(f"{way.before} serves again instead of {way.failed}", error=False)


def _same_answer(one: Problem, other: Problem) -> bool:
    """Whether both name the same answer of the canary; `other` may say more about it."""
    return (
        one.where.startswith("http") and one.where == other.where
        and other.what.startswith(one.what)
    )  # fmt: skip
