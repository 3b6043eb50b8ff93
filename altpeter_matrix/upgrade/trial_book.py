"""Trials of versions in the book of upgrades: opened, noted step by step, closed."""

from dataclasses import replace

from ..apt import pins
from ..apt.release import Release
from ..base import journal, timestamps
from ..base.errors import Problem
from ..base.paths import Paths
from ..base.resources import document
from . import affected_requests, history, observation
from .history import Book, Entry, Result, Trial, WayBack


class TrialBook:
    """The book, each change of it written at once."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.book: Book = history.read(paths)

    def opened(self, release: Release) -> Trial:
        """The trial of what is installed: a new one, or one that was interrupted."""
        trial, boot = self.book.trial, observation.boot_id(self.paths)
        if trial is None or trial.release != release:
            if trial is not None:
                if trial.phase == "stuck" and release == trial.before and trial.way_back:
                    pin(self.paths, trial.way_back)  # a backup was restored: no second time
                self.close(trial, "replaced", note=f"by {release.version}")
            trial = Trial(
                release,
                self.book.good if self.book.good != release else None,
                timestamps.now(),
                boot=boot,
                boots=1,
                restarts=observation.restarts(),
            )
            journal.write(f"{release} is new here: watching it", error=False)
        if trial.boot != boot:
            # Who switches the machine off during a long migration says nothing about the version.
            boots = trial.boots + (not trial.migrating)
            trial = replace(trial, boot=boot, boots=boots, ready=False, restarts=0)
        self.note(trial)
        return trial

    def note(self, trial: Trial) -> None:
        """Where a trial stands."""
        self.book = replace(self.book, trial=trial)
        history.write(self.paths, self.book)

    def close(
        self, trial: Trial, result: Result, *, good: Release | None = None, note: str = ""
    ) -> None:
        """End a trial. good: the version that works now, if that is another one than before."""
        if trial.phase == "stuck" and result == "replaced":
            self.book = replace(self.book, trial=None)  # its end is told already
        else:
            entry = self._entry(trial, result, trial.reason, note=note)
            self.book = self.book.closed(entry, good or self.book.good)
        history.write(self.paths, self.book)

    def stuck(self, trial: Trial, reason: Problem, why: str) -> None:
        """It is wrong and has to stay; told once."""
        told = trial.told
        trial = replace(trial, phase="stuck", stays=why, stuck_since=timestamps.now(), told=True)
        if told:
            self.note(trial)
            return
        reason = history.explained(reason, why)
        entry = self._entry(trial, "failed", reason)
        self.book = replace(self.book.closed(entry, self.book.good), trial=trial)
        history.write(self.paths, self.book)
        journal.write(str(reason), error=True)

    def _entry(
        self, trial: Trial, result: Result, reason: Problem | None, *, note: str = ""
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
            reason=reason,
            note=note,
            held=seen.held,
            failed=seen.failed,
        )


def pin(paths: Paths, way: WayBack) -> None:
    """Have apt leave the version alone that failed: else its next run brings it again."""
    pins.hold_back(
        paths, way.failed.package, way.failed.version,
        Problem(
            str(way.failed),
            f"was installed and did not work: {way.reason.what};"
            f" {way.before.version} serves again",
            "nothing is to be done: a newer version is tried by itself"
            f" (see {document('undo.md')})",
        ),
    )  # fmt: skip
