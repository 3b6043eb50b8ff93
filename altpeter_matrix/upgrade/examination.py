"""What the health gate finds out about the version that runs, and what is not Synapse's doing."""

from collections.abc import Callable
from dataclasses import replace

from ..apply.activation import Host
from ..apply.prepared import settings_in_use
from ..apply.public_side import PublicSide
from ..apply.services import Services
from ..apt.release import Release
from ..base import journal
from ..base.commands import run
from ..base.paths import Paths
from ..settings.model import Settings
from ..synapse.canary import Canary
from ..synapse.config_files import database_of
from . import observation
from .polling import Judge
from .trial_book import TrialBook
from .trial_policy import Verdict, Watch


class Examination:
    """Of whatever version is installed, on the settings that are in force."""

    def __init__(self, paths: Paths, trials: TrialBook) -> None:
        self.paths = paths
        self.trials = trials
        self.settings: Settings = settings_in_use(paths)
        self.database = database_of(paths)

    def verdict(
        self, watch: Watch, release: Release, changed: Callable[[], None] = lambda: None
    ) -> Verdict | None:
        """Ask until there is one; None and `changed` as in Judge.judge."""
        canary = Canary(self.paths, self.settings, demanding=self.trials.book.session)
        verdict = Judge(self.paths, self.database, canary).judge(watch, release, changed)
        if verdict is Verdict.SPOILT:
            self.apply()
            # Where apply refuses, the next start is looked at again.
            if not observation.spoilt(self.paths):
                return self.verdict(watch, release, changed)
        if verdict is Verdict.PASSED:
            book = self.trials.book
            self.trials.book = replace(book, session=canary.session, took=watch.took or book.took)
        return verdict

    def apply(self) -> None:
        """What apply noted while Synapse did not answer must not stand."""
        done = run("altpeter-matrix", "apply", timeout=900, check=False)
        if not done.ok:
            journal.write(f"health gate: apply: {done.output}", error=True)

    def not_synapses_doing(self) -> str:
        """What is wrong with the certificate that clients are shown, or with nginx; if anything."""
        seen = PublicSide(Host(self.paths, Services(self.paths))).problems()
        for problem in seen:
            journal.write(str(problem), error=True)
        return "; ".join(map(str, seen))
