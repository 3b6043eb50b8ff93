"""The health gate: watches a version of Synapse that is new here, and undoes it when it is wrong.

altpeter-matrix-gate.service, started by each start of Synapse, and by a timer. It never waits for
dpkg before it judges: dpkg may itself be waiting for a Synapse that will never be ready.
"""

import sys
import time
from dataclasses import replace

from ..apply.last_apply import Record
from ..apply.services import Services
from ..apt import kept_packages, pins
from ..apt.candidates import is_newer
from ..apt.release import Release
from ..base import journal
from ..base.errors import MatrixConfigError
from ..base.failures import problems_of
from ..base.paths import Paths
from ..synapse import canary_account
from . import observation, rollback
from .examination import Examination
from .going_back import GoingBack
from .history import Trial, WayBack
from .observation import Installed
from .trial_book import TrialBook
from .trial_policy import SETTLED_AFTER, Verdict, Watch, ready_within

# A version that brings the machine down with it, again and again.
_MOST_BOOTS = 3
_AGAIN_AFTER = 15.0
# Nobody knows yet how slow this machine is.
_FIRST_READY_WITHIN = 300.0


class Gate:
    """One run."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.trials = TrialBook(paths)
        self.examination = Examination(paths, self.trials)
        self.going_back = GoingBack(self.examination, self.trials)

    def run(self) -> None:
        """Judge what is installed, if that is new, and do what follows from it."""
        trial, book = self.trials.book.trial, self.trials.book
        way = trial.way_back if trial is not None and trial.phase == "going back" else None
        if way is not None:
            rollback.wait_for_dpkg(self.paths, way.failed)
        found = rollback.wait_while_replacing(self.paths)
        if (
            trial is not None
            and way is not None
            and found is not None
            and found.release in {way.failed, way.before}
        ):
            self._go_on(trial, way, found)
            return
        rollback.allow(self.paths)
        if found is None:
            return
        if found.half_replaced:
            self._repair(found.release)
        elif trial is None and found.configured and found.release == book.good:
            self._keep(found.release)
            canary_account.retire_former(self.paths, self.examination.settings)
        else:
            self._watch(self.trials.opened(found.release))

    def _go_on(self, trial: Trial, way: WayBack, found: Installed) -> None:
        """Go on with what a killed run had begun."""
        # What a power cut has left of an installation may be empty files.
        rebooted = trial.boot != observation.boot_id(self.paths)
        if found.release == way.before and found.configured and not rebooted:
            self.going_back.returned(trial, way)
        else:
            self.going_back.go(trial, way)

    def _repair(self, there: Release) -> None:
        """dpkg was interrupted while it replaced a version: install the one that works again.

        No version is to blame, so none is pinned away: the next update brings it once more.
        """
        good = self.trials.book.good
        if good is None:
            journal.write(f"{there} is only half installed", error=True)
            return
        journal.write(f"dpkg was interrupted: installing {good} again", error=True)
        state = observation.unit().get("ActiveState")
        try:
            deb = rollback.find(self.paths, good, self.examination.database)
            rollback.install(self.paths, deb, {there, good}, running=state == "active")
        except (MatrixConfigError, OSError) as error:
            rollback.allow(self.paths)
            for problem in problems_of(error):
                journal.write(f"health gate: {problem}", error=True)

    def _half_replaced(self) -> bool:
        """What still runs would not start again, and dpkg alone does not bring it to an end."""
        found = observation.installed()
        return found is not None and found.half_replaced

    def _watch(self, trial: Trial) -> None:
        # Where there is nothing to go back to, there is nothing to wait for.
        settle = SETTLED_AFTER if trial.before is not None else 0.0
        within = (
            ready_within(self.trials.book.took) if trial.before is not None else _FIRST_READY_WITHIN
        )
        watch = Watch(settle=settle, within=within, restarts=trial.restarts, ready=trial.ready)

        def changed() -> None:
            nonlocal trial
            trial = replace(trial, ready=watch.ready, migrating=watch.migrating)
            self.trials.note(trial)

        verdict: Verdict | None
        if trial.phase == "watching" and trial.boots > _MOST_BOOTS:
            verdict = watch.failed(f"the machine went down {_MOST_BOOTS} times with it")
        else:
            verdict = self.examination.verdict(watch, trial.release, changed)
        if verdict is Verdict.PASSED:
            self._passed(trial)
        elif verdict is Verdict.BROKEN_OFF or (
            verdict is Verdict.INTERRUPTED and self._half_replaced()
        ):
            self._repair(trial.release)
        elif verdict is Verdict.FAILED and watch.reason is not None:
            self.going_back.failed(trial, watch.reason)

    def _passed(self, trial: Trial) -> None:
        applied = Record(self.paths).read()
        if not applied.ok and applied.time >= trial.began:
            self.examination.apply()  # it was ready only later, or had been stuck
        note = self.examination.not_synapses_doing()
        self.trials.close(trial, "passed", good=trial.release, note=note)
        self._release(trial.release)
        journal.write(f"{trial.release} works", error=False)
        self._keep(trial.release, *([trial.before] if trial.before else []))
        canary_account.retire_former(self.paths, self.examination.settings)

    def _release(self, release: Release) -> None:
        """Take the pins away that versions before this one got here; not those of the check of
        candidates, which looks after its own."""
        for one in pins.held(self.paths):
            if one.package != release.package:
                continue
            older = not one.retried and not is_newer(one.version, release.version)
            if older or one.version == release.version:
                pins.release(self.paths, one.package, one.version)

    def _keep(self, release: Release, *others: Release) -> None:
        """Have the package at hand while the repository still has it."""
        try:
            kept_packages.keep(self.paths, release, installed=True)
        except (MatrixConfigError, OSError) as error:
            for problem in problems_of(error):
                journal.write(f"no way back to {release} yet: {problem}", error=True)
            return
        if others:
            kept_packages.keep_only(self.paths, {release, *others})


def judge_installed(paths: Paths) -> None:
    """Judge what is installed, and what was installed while that took its time: the start of that
    one could not start a service that was running."""
    while True:
        before = observation.installed()
        Gate(paths).run()
        after = observation.installed()
        if after is None or (before is not None and after.release == before.release):
            return


def main() -> int:
    paths = Paths()
    if not paths.current.exists() or not Services(paths).present:
        return 0
    try:
        judge_installed(paths)
    except (MatrixConfigError, OSError) as error:
        for problem in problems_of(error):
            journal.write(f"health gate: {problem}", error=True)
        time.sleep(_AGAIN_AFTER)
        return 1  # systemd tries again
    return 0


if __name__ == "__main__":
    sys.exit(main())
