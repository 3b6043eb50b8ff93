"""The health gate: watches a version of Synapse that is new here, and undoes it when it is wrong.

altpeter-matrix-gate.service, started by each start of Synapse, and by a timer. It never waits for
dpkg before it judges: dpkg may itself be waiting for a Synapse that will never be ready.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from ..apply.activation import Host
from ..apply.last_apply import Record
from ..apply.prepared import settings_in_use
from ..apply.public_side import PublicSide
from ..apply.services import Services
from ..apt import kept_packages, pins
from ..apt.candidates import is_newer
from ..apt.release import Release
from ..base import notify, timestamps
from ..base.commands import run
from ..base.errors import MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.paths import Paths
from ..base.resources import document
from ..settings.model import Settings
from ..synapse import canary_account
from ..synapse.canary import Canary
from ..synapse.config_files import database_of
from . import affected_requests, history, observation, rollback
from .history import Book, Entry, Result, Trial
from .observation import Installed
from .polling import Judge
from .rollback import NoWayBack
from .trial_policy import SETTLED_AFTER, Verdict, Watch, ready_within

# A version that brings the machine down with it, again and again.
_MOST_BOOTS = 3
# A full disk does not get emptier within seconds.
_AGAIN_AFTER = 15.0
_MOST_ATTEMPTS = 5
# What is stuck is tried again: the disk may have been emptied, or the package be found. Seconds.
_UNSTUCK_AFTER = 3600
# Nobody knows yet how slow this machine is.
_FIRST_READY_WITHIN = 300.0
# The old version has no need to prove itself for long.
_SETTLE_AFTER_RETURN = 3.0


class Gate:
    """One run."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.settings: Settings = settings_in_use(paths)
        self.database = database_of(paths)
        self.book: Book = history.read(paths)

    def run(self) -> None:
        """Judge what is installed, if that is new, and do what follows from it."""
        trial = self.book.trial
        going_back = trial if trial is not None and trial.phase == "going back" else None
        if going_back is not None:
            rollback.wait_for_dpkg(self.paths, going_back.release)
        found = rollback.wait_while_replacing(self.paths)
        if (
            going_back is not None
            and found is not None
            and found.release in {going_back.release, going_back.before}
        ):
            self._go_on(going_back, found)
            return
        rollback.allow(self.paths)
        if found is None:
            return
        if found.half_replaced:
            self._repair(found.release)
        elif trial is None and found.configured and found.release == self.book.good:
            self._keep(found.release)
            canary_account.settle(self.paths, self.settings)
        else:
            self._watch(self._trial(found.release))

    def _go_on(self, trial: Trial, found: Installed) -> None:
        """Go on with what a killed run had begun."""
        # What a power cut has left of an installation may be empty files.
        rebooted = trial.boot != observation.boot_id(self.paths)
        if found.release == trial.before and found.configured and not rebooted:
            self._returned(trial)
        else:
            self._go_back(trial)

    def _repair(self, there: Release) -> None:
        """dpkg was interrupted while it replaced a version: install the one that works again.

        No version is to blame, so none is pinned away: the next update brings it once more.
        """
        good = self.book.good
        if good is None:
            notify.journal(f"{there} is only half installed", error=True)
            return
        notify.journal(f"dpkg was interrupted: installing {good} again", error=True)
        state = observation.unit().get("ActiveState")
        try:
            deb = rollback.find(self.paths, good, self.database)
            rollback.install(self.paths, deb, {there, good}, running=state == "active")
        except (MatrixConfigError, OSError) as error:
            rollback.allow(self.paths)
            for problem in problems_of(error):
                notify.journal(f"health gate: {problem}", error=True)

    def _half_replaced(self) -> bool:
        """What still runs would not start again, and dpkg alone does not bring it to an end."""
        found = observation.installed()
        return found is not None and found.half_replaced

    def _trial(self, release: Release) -> Trial:
        """The trial of what is installed: a new one, or one that was interrupted."""
        trial, boot = self.book.trial, observation.boot_id(self.paths)
        if trial is None or trial.release != release:
            if trial is not None:
                if trial.phase == "stuck" and release == trial.before:
                    self._pin(trial)  # somebody restored a backup, and wants no second time
                self._close(trial, "replaced", note=f"by {release.version}")
            before = self.book.good if self.book.good != release else None
            trial = Trial(
                release, before, timestamps.now(), boot=boot, boots=1, restarts=_restarts()
            )
            notify.journal(f"{release} is new here: watching it", error=False)
        if trial.boot != boot:
            # Who switches the machine off during a long migration says nothing about the version.
            boots = trial.boots + (not trial.migrating)
            trial = replace(trial, boot=boot, boots=boots, ready=False, restarts=0)
        self._note(trial)
        return trial

    def _watch(self, trial: Trial) -> None:
        # Where there is nothing to go back to, there is nothing to wait for.
        settle = SETTLED_AFTER if trial.before is not None else 0.0
        within = ready_within(self.book.took) if trial.before is not None else _FIRST_READY_WITHIN
        watch = Watch(settle=settle, within=within, restarts=trial.restarts, ready=trial.ready)

        def changed() -> None:
            nonlocal trial
            trial = replace(trial, ready=watch.ready, migrating=watch.migrating)
            self._note(trial)

        verdict: Verdict | None
        if trial.phase == "watching" and trial.boots > _MOST_BOOTS:
            verdict = watch.failed(f"the machine went down {_MOST_BOOTS} times with it")
        else:
            verdict = self._judge(watch, trial.release, changed)
        if verdict is Verdict.PASSED:
            self._passed(trial)
        elif verdict is Verdict.BROKEN_OFF or (
            verdict is Verdict.INTERRUPTED and self._half_replaced()
        ):
            self._repair(trial.release)
        elif verdict is Verdict.FAILED and watch.reason is not None:
            self._failed(trial, watch.reason)

    def _judge(
        self, watch: Watch, release: Release, changed: Callable[[], None] = lambda: None
    ) -> Verdict | None:
        canary = Canary(self.paths, self.settings, demanding=self.book.session)
        verdict = Judge(self.paths, self.database, canary).judge(watch, release, changed)
        if verdict is Verdict.SPOILT:
            self._apply()
            # Where apply refuses, the next start is looked at again.
            if not observation.spoilt(self.paths):
                return self._judge(watch, release, changed)
        if verdict is Verdict.PASSED:
            took = watch.took or self.book.took
            self.book = replace(self.book, session=canary.session, took=took)
        return verdict

    def _passed(self, trial: Trial) -> None:
        applied = Record(self.paths).read()
        if not applied.ok and applied.time >= trial.began:
            self._apply()  # it was ready only later, or had been stuck
        self._close(trial, "passed", good=trial.release, note=self._not_synapses_doing())
        self._release(trial.release)
        notify.journal(f"{trial.release} works", error=False)
        self._keep(trial.release, *([trial.before] if trial.before else []))
        canary_account.settle(self.paths, self.settings)

    def _apply(self) -> None:
        """What apply noted while Synapse did not answer must not stand."""
        done = run("altpeter-matrix", "apply", timeout=900, check=False)
        if not done.ok:
            notify.journal(f"health gate: apply: {done.output}", error=True)

    def _not_synapses_doing(self) -> str:
        """What is wrong with the certificate that clients are shown, or with nginx; if anything."""
        seen = PublicSide(Host(self.paths, Services(self.paths))).problems()
        for problem in seen:
            notify.journal(str(problem), error=True)
        return "; ".join(map(str, seen))

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
                notify.journal(f"no way back to {release} yet: {problem}", error=True)
            return
        if others:
            kept_packages.keep_only(self.paths, {release, *others})

    def _failed(self, trial: Trial, reason: Problem) -> None:
        if trial.phase == "stuck":
            again = history.is_past(trial.stuck_since, _UNSTUCK_AFTER)
            if again and trial.before is not None:
                self._go_back(replace(trial, phase="going back", attempts=_MOST_ATTEMPTS - 1))
            return  # that is known
        telling = observation.said(history.epoch(trial.began))
        if telling and telling not in reason.what:
            reason = replace(reason, what=f"{reason.what} ({telling})")
        trial = replace(trial, reason=reason, migrating=False)
        notify.journal(f"{trial.release} is wrong: {reason}", error=True)
        if trial.before is None:
            self._stuck(trial, "there is no version before it on this host")
            return
        self._go_back(replace(trial, phase="going back"))

    def _go_back(self, trial: Trial) -> None:
        before = trial.before
        # Here and below for mypy: the phases before leave none without one.
        assert before is not None  # nosec B101
        self._note(trial)
        state = observation.unit().get("ActiveState")
        try:
            deb = rollback.find(self.paths, before, self.database)
            self._pin(trial)
            replaceable = {trial.release, before}
            done = rollback.install(self.paths, deb, replaceable, running=state == "active")
        except (MatrixConfigError, OSError) as error:
            rollback.give_up(self.paths)
            trial = replace(trial, attempts=trial.attempts + 1)
            self._note(trial)
            if trial.attempts >= _MOST_ATTEMPTS or isinstance(error, NoWayBack):
                pins.release(self.paths, trial.release.package, trial.release.version)
                self._stuck(trial, "; ".join(map(str, problems_of(error))))
                return
            raise
        if not done:
            return  # `look` sees the version that came meanwhile
        trial = replace(trial, boot=observation.boot_id(self.paths))
        self._note(trial)
        self._returned(trial)

    def _pin(self, trial: Trial) -> None:
        """First of all: else the next run of apt brings it again."""
        assert trial.before is not None and trial.reason is not None  # nosec B101
        release = trial.release
        pins.hold_back(
            self.paths, release.package, release.version,
            Problem(
                str(release),
                f"was installed and did not work: {trial.reason.what};"
                f" {trial.before.version} serves again",
                "nothing is to be done: a newer version is tried by itself"
                f" (see {document('undo.md')})",
            ),
        )  # fmt: skip

    def _returned(self, trial: Trial) -> None:
        """The old version is installed: see that it serves, and close the matter."""
        assert trial.before is not None  # nosec B101
        self.paths.refused.unlink(missing_ok=True)
        self._pin(trial)
        run("systemctl", "start", "--no-block", rollback.UNIT, check=False)
        within = ready_within(self.book.took)
        watch = Watch(settle=_SETTLE_AFTER_RETURN, within=within, restarts=_restarts())
        verdict = self._judge(watch, trial.before)
        if verdict is None:
            return  # `look` sees the version that came meanwhile
        note = ""
        if verdict is not Verdict.PASSED:
            why = watch.reason.what if watch.reason else f"it was {verdict}"
            note = f"the version before does not work either: {why}"
            notify.journal(f"{trial.before}: {note}", error=True)
            if watch.reason is not None and _same_answer(watch.reason, trial.reason):
                self._not_its_fault(trial.release)
        self._apply()
        os.sync()
        note = note or self._not_synapses_doing()
        self._close(trial, "undone", good=trial.before, note=note)
        notify.journal(f"{trial.before} serves again instead of {trial.release}", error=False)

    def _not_its_fault(self, release: Release) -> None:
        """The old version gives the same wrong answer: it is the settings, or the canary."""
        pins.release(self.paths, release.package, release.version)
        self.book = replace(self.book, session=False)

    def _stuck(self, trial: Trial, why: str) -> None:
        told = trial.told
        trial = replace(trial, phase="stuck", stays=why, stuck_since=timestamps.now(), told=True)
        reason = trial.explanation
        assert reason is not None  # nosec B101
        if told:
            self._note(trial)
            return
        entry = self._entry(trial, "failed", reason=reason)
        self.book = replace(self.book.closed(entry, self.book.good), trial=trial)
        history.write(self.paths, self.book)
        notify.journal(str(reason), error=True)
        notify.mail(
            f"{trial.release} does not work, and is still there",
            f"{reason.where}: {reason.what}\n\nWhat to do: {reason.remedy}\n",
        )

    def _note(self, trial: Trial) -> None:
        self.book = replace(self.book, trial=trial)
        history.write(self.paths, self.book)

    def _close(
        self, trial: Trial, result: Result, *, good: Release | None = None, note: str = ""
    ) -> None:
        if trial.phase == "stuck" and result == "replaced":
            self.book = replace(self.book, trial=None)  # its end is told already
        else:
            entry = self._entry(trial, result, note=note)
            self.book = self.book.closed(entry, good or self.book.good)
        history.write(self.paths, self.book)

    def _entry(
        self, trial: Trial, result: Result, *, note: str = "", reason: Problem | None = None
    ) -> Entry:
        ended = timestamps.now()
        seen = affected_requests.between(self.paths, trial.began, ended)
        return Entry(
            began=trial.began,
            ended=ended,
            seconds=history.seconds_between(trial.began, ended),
            package=trial.release.package,
            before=trial.before.version if trial.before else None,
            version=trial.release.version,
            result=result,
            reason=reason or trial.reason,
            note=note,
            held=seen.held,
            failed=seen.failed,
        )


def _restarts() -> int:
    return int(observation.unit().get("NRestarts") or 0)


def _same_answer(one: Problem, other: Problem | None) -> bool:
    """Whether both name the same answer of the canary; `other` may say more about it."""
    if other is None or not one.where.startswith("http"):
        return False
    return one.where == other.where and other.what.startswith(one.what)


def look(paths: Paths) -> None:
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
        look(paths)
    except (MatrixConfigError, OSError) as error:
        for problem in problems_of(error):
            notify.journal(f"health gate: {problem}", error=True)
        time.sleep(_AGAIN_AFTER)
        return 1  # systemd tries again
    return 0


if __name__ == "__main__":
    sys.exit(main())
