"""The health gate: watches a version of Synapse that is new here, and undoes it when it is wrong.

altpeter-matrix-gate.service, started by each start of Synapse, and by a timer. It never waits for
dpkg before it judges: dpkg may itself be waiting for a Synapse that will never be ready.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from . import (
    held_back,
    kept_packages,
    notify,
    upgrade_history,
    upgrade_requests,
    upgrade_sight,
    upgrade_way_back,
)
from .canary import Canary
from .commands import run
from .database_checks import database_of, settings_in_use
from .errors import HostError, MatrixConfigError, Problem
from .failures import problems_of
from .paths import Paths
from .services import Services
from .settings import Settings
from .upgrade_history import Book, Entry, Release, Result, Trial
from .upgrade_watch import SETTLED_AFTER, Look, Verdict, Watch

_LOOK_EVERY = 1.0
_ASK_EVERY = 5.0
# A version that brings the machine down with it, again and again.
_MOST_BOOTS = 3
# A full disk does not get emptier within seconds.
_AGAIN_AFTER = 15.0
_MOST_ATTEMPTS = 5
# The old version has no need to prove itself for long.
_SETTLE_AFTER_RETURN = 3.0


class Gate:
    """One run."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.settings: Settings = settings_in_use(paths)
        self.database = database_of(paths)
        self.book: Book = upgrade_history.read(paths)

    def run(self) -> None:
        """Judge what is installed, if that is new, and do what follows from it."""
        trial = self.book.trial
        if trial is not None and trial.phase == "going back":
            upgrade_way_back.wait_for_dpkg(self.paths, trial.release)
        found = upgrade_sight.installed()
        if found is None:
            return
        if trial is None and found.configured and found.release == self.book.good:
            self._keep(found.release)
            return
        if trial is not None and trial.phase == "going back":
            # What a power cut has left of an installation may be empty files.
            rebooted = trial.boot != upgrade_sight.boot_id(self.paths)
            if found.release == trial.before and found.configured and not rebooted:
                self._returned(trial)
                return
            if found.release in {trial.release, trial.before}:
                self._go_back(trial)
                return
        self._watch(self._trial(found.release))

    def _trial(self, release: Release) -> Trial:
        """The trial of what is installed: a new one, or one that was interrupted."""
        trial, boot = self.book.trial, upgrade_sight.boot_id(self.paths)
        if trial is None or trial.release != release:
            if trial is not None:
                self._close(trial, "replaced", note=f"by {release.version}")
            before = self.book.good if self.book.good != release else None
            trial = Trial(
                release, before, upgrade_history.now(), boot=boot, boots=1, restarts=_restarts()
            )
            notify.journal(f"{release} is new here: watching it", error=False)
        if trial.boot != boot:
            trial = replace(trial, boot=boot, boots=trial.boots + 1, ready=False, restarts=0)
        self._note(trial)
        return trial

    def _watch(self, trial: Trial) -> None:
        # Where there is nothing to go back to, there is nothing to wait for.
        settle = SETTLED_AFTER if trial.before is not None else 0.0
        watch = Watch(settle=settle, restarts=trial.restarts, ready=trial.ready)

        def changed() -> None:
            nonlocal trial
            trial = replace(trial, ready=watch.ready, migrating=watch.migrating)
            self._note(trial)

        verdict: Verdict | None
        if trial.boots > _MOST_BOOTS:
            verdict = watch.failed(f"the machine went down {_MOST_BOOTS} times with it")
        else:
            verdict = self._judge(watch, trial.release, changed)
        if verdict is Verdict.PASSED:
            self._passed(trial)
        elif verdict is Verdict.FAILED and watch.reason is not None:
            self._failed(trial, watch.reason)

    def _judge(
        self, watch: Watch, release: Release, changed: Callable[[], None] = lambda: None
    ) -> Verdict | None:
        """Look until there is a verdict. None: another version came meanwhile."""
        canary = Canary(self.paths, self.settings, demanding=self.book.session)
        asked, wrong = -_ASK_EVERY, None
        try:
            while True:
                at = time.monotonic()
                found = upgrade_sight.installed()
                if found is None or found.release != release:
                    return None
                unit = upgrade_sight.unit()
                thorough = False
                if unit.get("ActiveState") != "active":
                    wrong, asked = None, -_ASK_EVERY
                elif at - asked >= _ASK_EVERY or wrong is not None:
                    wrong, asked = canary.look(thorough=watch.wants_thorough(at)), at
                    thorough = canary.proved
                before = watch.ready, watch.migrating
                look = self._look(at, unit, found.configured, wrong, thorough)
                verdict = watch.see(look)
                if before != (watch.ready, watch.migrating):
                    changed()
                if verdict is Verdict.PASSED:
                    self.book = replace(self.book, session=canary.session)
                if verdict is not None:
                    return verdict
                time.sleep(max(0.0, at + _LOOK_EVERY - time.monotonic()))
        finally:
            canary.leave()

    def _look(
        self,
        at: float,
        unit: Mapping[str, str],
        configured: bool,
        wrong: Problem | None,
        thorough: bool,
    ) -> Look:
        state = unit.get("ActiveState", "")
        starting = state == "activating"
        trouble = starting or wrong is not None
        database, in_database = (
            upgrade_sight.works_in_database(self.database) if trouble else (True, False)
        )
        pid = int(unit.get("MainPID") or 0)
        return Look(
            at=at,
            state=state,
            restarting=unit.get("SubState", "").startswith("auto-restart"),
            restarts=int(unit.get("NRestarts") or 0),
            result=unit.get("Result", "success"),
            answers=starting and upgrade_sight.listens(self.settings.listener.port),
            wrong=wrong if state == "active" else None,
            thorough=thorough,
            in_database=in_database,
            database=database,
            configured=configured,
            busy=upgrade_sight.dpkg_busy(self.paths),
            hungry=upgrade_sight.hungry(self.paths, pid) if pid else None,
        )

    def _passed(self, trial: Trial) -> None:
        self._close(trial, "passed", good=trial.release)
        self._release(trial.release)
        notify.journal(f"{trial.release} works", error=False)
        self._keep(trial.release, *([trial.before] if trial.before else []))

    def _release(self, release: Release) -> None:
        """Take the pins away that versions before this one got here; not those of the check of
        candidates, which looks after its own."""
        for one in held_back.held(self.paths):
            if one.package == release.package and (
                one.version == release.version or not one.retried
            ):
                held_back.release(self.paths, one.package, one.version)

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
            return  # that is known
        telling = upgrade_sight.said(upgrade_history.epoch(trial.began))
        if telling and telling not in reason.what:
            reason = replace(reason, what=f"{reason.what} ({telling})")
        trial = replace(trial, reason=reason, migrating=False)
        notify.journal(f"{trial.release} is wrong: {reason}", error=True)
        if trial.before is None:
            self._stuck(trial, "there is no version before it on this host")
            return
        trial = replace(trial, phase="going back")
        self._note(trial)
        self._go_back(trial)

    def _go_back(self, trial: Trial) -> None:
        before = trial.before
        assert before is not None
        trial = replace(trial, attempts=trial.attempts + 1)
        self._note(trial)
        state = upgrade_sight.unit().get("ActiveState")
        try:
            deb = upgrade_way_back.find(self.paths, before, self.database)
            self._pin(trial)
            upgrade_way_back.install(self.paths, deb, running=state == "active")
        except (MatrixConfigError, OSError) as error:
            upgrade_way_back.give_up(self.paths)
            if trial.attempts >= _MOST_ATTEMPTS or _final(error):
                held_back.release(self.paths, trial.release.package, trial.release.version)
                self._stuck(trial, "; ".join(map(str, problems_of(error))))
                return
            raise
        trial = replace(trial, boot=upgrade_sight.boot_id(self.paths))
        self._note(trial)
        self._returned(trial)

    def _pin(self, trial: Trial) -> None:
        """First of all: else the next run of apt brings it again."""
        assert trial.before is not None and trial.reason is not None
        release = trial.release
        held_back.hold_back(
            self.paths, release.package, release.version,
            Problem(
                str(release),
                f"was installed and did not work: {trial.reason.what};"
                f" {trial.before.version} serves again",
                "nothing is to be done: a newer version is tried by itself (docs/undo.md)",
            ),
        )  # fmt: skip

    def _returned(self, trial: Trial) -> None:
        """The old version is installed: see that it serves, and close the matter."""
        assert trial.before is not None
        self.paths.refused.unlink(missing_ok=True)
        self._pin(trial)
        run("systemctl", "start", "--no-block", upgrade_way_back.UNIT, check=False)
        watch = Watch(settle=_SETTLE_AFTER_RETURN, restarts=_restarts())
        verdict = self._judge(watch, trial.before)
        note = ""
        if verdict is not Verdict.PASSED:
            why = watch.reason.what if watch.reason else "it was stopped"
            note = f"the version before does not work either: {why}"
            notify.journal(f"{trial.before}: {note}", error=True)
            if watch.reason is not None and _same_answer(watch.reason, trial.reason):
                self._not_its_fault(trial.release)
        # What apply noted while the wrong version was there must not stand.
        done = run("altpeter-matrix", "apply", timeout=900, check=False)
        if not done.ok:
            notify.journal(f"apply after going back: {done.output}", error=True)
        os.sync()
        self._close(trial, "undone", good=trial.before, note=note)
        notify.journal(f"{trial.before} serves again instead of {trial.release}", error=False)

    def _not_its_fault(self, release: Release) -> None:
        """The old version gives the same wrong answer: it is the settings, or the canary."""
        held_back.release(self.paths, release.package, release.version)
        self.book = replace(self.book, session=False)

    def _stuck(self, trial: Trial, why: str) -> None:
        assert trial.reason is not None
        reason = replace(trial.reason, what=f"{trial.reason.what}; it stays, because {why}")
        entry = self._entry(trial, "failed", reason=reason)
        book = self.book.closed(entry, self.book.good)
        self.book = replace(book, trial=replace(trial, phase="stuck", reason=reason))
        upgrade_history.write(self.paths, self.book)
        notify.journal(str(reason), error=True)
        notify.mail(
            f"{trial.release} does not work, and is still there",
            f"{reason.where}: {reason.what}\n\nWhat to do: {reason.remedy}\n",
        )

    def _note(self, trial: Trial) -> None:
        self.book = replace(self.book, trial=trial)
        upgrade_history.write(self.paths, self.book)

    def _close(
        self, trial: Trial, result: Result, *, good: Release | None = None, note: str = ""
    ) -> None:
        if trial.phase == "stuck" and result == "replaced":
            self.book = replace(self.book, trial=None)  # its end is told already
        else:
            entry = self._entry(trial, result, note=note)
            self.book = self.book.closed(entry, good or self.book.good)
        upgrade_history.write(self.paths, self.book)

    def _entry(
        self, trial: Trial, result: Result, *, note: str = "", reason: Problem | None = None
    ) -> Entry:
        ended = upgrade_history.now()
        seen = upgrade_requests.between(self.paths, trial.began, ended)
        return Entry(
            began=trial.began,
            ended=ended,
            seconds=upgrade_history.seconds_between(trial.began, ended),
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
    return int(upgrade_sight.unit().get("NRestarts") or 0)


def _same_answer(one: Problem, other: Problem | None) -> bool:
    """Whether both name the same answer of the canary; `other` may say more about it."""
    if other is None or not one.where.startswith("http"):
        return False
    return one.where == other.where and other.what.startswith(one.what)


def _final(error: Exception) -> bool:
    """No use to try again: the database forbids it, or the package is nowhere."""
    return isinstance(error, HostError) and error.problems[0].where != "dpkg"


def main() -> int:
    paths = Paths()
    if not paths.current.exists() or not Services(paths).present:
        return 0
    try:
        Gate(paths).run()
    except (MatrixConfigError, OSError) as error:
        for problem in problems_of(error):
            notify.journal(f"health gate: {problem}", error=True)
        time.sleep(_AGAIN_AFTER)
        return 1  # systemd tries again
    return 0


if __name__ == "__main__":
    sys.exit(main())
