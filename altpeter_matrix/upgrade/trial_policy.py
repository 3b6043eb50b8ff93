"""Is a new version of Synapse well? A pure function of what was seen, look by look.

Times are seconds. All of it, with the way back, has to fit into two minutes; only a version that
migrates the database has as long as it needs.
"""

from dataclasses import dataclass
from enum import StrEnum

from ..base.errors import Problem

# From its start to READY=1, while it does nothing with the database. A slow or busy machine gets
# several times what a version that works needed there.
READY_WITHIN = 45.0
_TIMES_AS_SLOW = 3
# From READY=1 until it answers everything.
ANSWERS_WITHIN = 20.0
# The same where it accepts connections and says nothing in time: strangers can keep a good version
# that busy for a while.
ANSWERS_SLOWLY_WITHIN = 45.0
# What crashes after a minute has to be seen.
SETTLED_AFTER = 70.0
# A start may fail once or twice because something else was just restarting.
FAILED_STARTS = 3
_LOG = "read `journalctl -u matrix-synapse`"


def ready_within(took: float) -> float:
    """How long a version may take to become ready. took: what one that works needed; 0: unknown."""
    return max(READY_WITHIN, _TIMES_AS_SLOW * took)


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    STOPPED = "stopped"  # by a person; to be judged when it runs again
    INTERRUPTED = "interrupted"  # dpkg was; what it has left works
    BROKEN_OFF = "broken off"  # dpkg was, and what it has left does not work: no version's fault
    SPOILT = "spoilt"  # somebody changed what it reads, and apply has not brought that back


@dataclass(frozen=True)
class Look:
    """What is seen at a moment.

    restarts: how often systemd has restarted it since somebody started it.
    answers: it accepts connections. wrong: what the canary found; asked only once it is ready.
    slow: what is wrong is that it does not answer in time.
    in_database: it is just doing something there. database: PostgreSQL answers; None: it is
    elsewhere.
    configured: dpkg has nothing left to do with the package; incomplete: it has not even begun to
    configure it. busy: dpkg or apt is at work. former: what runs is the version before, as dpkg
    has not come to restart it yet. spoilt: somebody changed the files of ours that it reads.
    hungry: why its memory is too much, if it is.
    """

    at: float
    state: str  # systemd's ActiveState
    restarting: bool = False
    restarts: int = 0
    result: str = "success"
    answers: bool = False
    wrong: Problem | None = None
    slow: bool = False
    thorough: bool = False
    in_database: bool = False
    database: bool | None = None
    configured: bool = True
    incomplete: bool = False
    busy: bool = False
    former: bool = False
    spoilt: bool = False
    hungry: str | None = None


@dataclass
class Watch:
    """Sees one look after the other; afterwards `reason` and `migrating` say more.

    settle: seconds to go on watching a version that answers. within: seconds that it may take to
    become ready; took: what it has taken, if that was seen, without what a migration took.
    restarts: how many systemd had counted before; it does not always begin anew when somebody
    starts the service.
    """

    settle: float = SETTLED_AFTER
    within: float = READY_WITHIN
    took: float = 0.0
    restarts: int = 0
    ready: bool = False  # it was, once
    migrating: bool = False
    reason: Problem | None = None
    _crashes: int = 0
    _starting_since: float | None = None
    _ready_since: float | None = None
    _wrong_since: float | None = None
    _idle_since: float | None = None
    _proved: bool = False  # it did everything, once

    def see(self, look: Look) -> Verdict | None:
        """The verdict; None: go on."""
        if look.former:
            self._begin_anew(look)
            return None
        verdict = self._see(look)
        if verdict is not Verdict.FAILED or not (look.incomplete or look.spoilt):
            return verdict
        self._begin_anew(look)
        if look.busy:
            return None  # also our trigger may be still to come, which applies
        return Verdict.BROKEN_OFF if look.incomplete else Verdict.SPOILT

    def _see(self, look: Look) -> Verdict | None:
        verdict = self._died(look) or self._crashed(look)
        if verdict is not None:
            return verdict
        if look.state == "inactive":
            return self._inactive(look)
        self._idle_since = None
        if look.state in {"active", "reloading"}:
            return self._running(look)
        self._ready_since, self._wrong_since, self._proved = None, None, False
        starts = look.state == "activating" and not look.restarting
        return self._starting(look) if starts else None

    def _died(self, look: Look) -> Verdict | None:
        if look.result == "oom-kill":
            return self.failed("was killed because it used up the memory")
        if look.hungry:
            return self.failed(look.hungry)
        if look.state == "failed" and look.database is False:
            return Verdict.STOPPED
        if look.state == "failed":
            return self.failed(f"does not start ({look.result}), and systemd has given up")
        return None

    def wants_thorough(self, at: float) -> bool:
        """Is it time to ask for everything: first, and before it passes?"""
        if self._ready_since is None or not self._proved:
            return True
        return at - self._ready_since >= self.settle

    def _crashed(self, look: Look) -> Verdict | None:
        if look.restarts < self.restarts + self._crashes:  # somebody started it anew
            self.restarts = self._crashes = 0
            self._starting_since = self._ready_since = self._wrong_since = None
        crashes = look.restarts - self.restarts
        if crashes == self._crashes:
            return None
        self._crashes = crashes
        self._starting_since = None
        if look.database is False:
            # Without PostgreSQL no version can run, and it is not to pay for that later.
            self.restarts, self._crashes = look.restarts, 0
            return None
        if self.ready:
            return self.failed("was ready, and then crashed")
        if crashes >= FAILED_STARTS:
            return self.failed(f"does not start: {crashes} starts have failed")
        return None

    def _inactive(self, look: Look) -> Verdict | None:
        """Nobody wants it to run; or it is just between stop and start."""
        self._idle_since = look.at if self._idle_since is None else self._idle_since
        idle = look.at - self._idle_since
        if look.busy or idle < 10:
            return None
        return Verdict.STOPPED

    def _starting(self, look: Look) -> Verdict | None:
        if self._starting_since is None or look.database is False:
            self._starting_since = look.at
        # A migration is over before it listens. One in a database elsewhere cannot be seen, and
        # must not be killed.
        self.migrating = (look.in_database or look.database is None) and not look.answers
        if self.migrating:
            self._starting_since = look.at
        if look.at - self._starting_since < self.within:
            return None
        how = "though it answers" if look.answers else "and does nothing in the database"
        return self.failed(f"has not become ready for {self.within:.0f} s, {how}")

    def _running(self, look: Look) -> Verdict | None:
        if self._starting_since is not None:
            self.took = look.at - self._starting_since
        self.ready, self.migrating, self._starting_since = True, False, None
        if self._ready_since is None:
            self._ready_since = look.at
        if look.wrong is not None:
            return self._wrong(look, look.wrong)
        self._wrong_since = None
        self._proved = self._proved or look.thorough
        if look.at - self._ready_since < self.settle or not look.thorough:
            return None
        if not look.configured:
            return None if look.busy else Verdict.INTERRUPTED
        return Verdict.PASSED

    def _wrong(self, look: Look, wrong: Problem) -> Verdict | None:
        if look.database is False:
            self._wrong_since = None
            return None
        if self._wrong_since is None:
            self._wrong_since = look.at
        within = ANSWERS_SLOWLY_WITHIN if look.slow else ANSWERS_WITHIN
        if look.at - self._wrong_since < within:
            return None
        self.reason = wrong
        return Verdict.FAILED

    def _begin_anew(self, look: Look) -> None:
        """Forget what was seen of the version before, or of parts of two."""
        self.restarts, self._crashes, self.ready, self.reason = look.restarts, 0, False, None
        self._starting_since = self._ready_since = self._wrong_since = None

    def failed(self, what: str) -> Verdict:
        """Note why it is wrong."""
        self.reason = Problem("matrix-synapse.service", what, _LOG)
        return Verdict.FAILED
