"""Looks at Synapse, second by second, until the watch (upgrade/trial_policy.py) has a verdict."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..apt.release import Release
from ..base.errors import Problem
from ..base.paths import Paths
from ..synapse.canary import Canary
from . import observation
from .observation import Installed
from .trial_policy import Look, Verdict, Watch

_LOOK_EVERY = 1.0
_ASK_EVERY = 5.0


@dataclass
class Judge:
    """database: its name, if it is on this host."""

    paths: Paths
    database: str | None
    canary: Canary
    _asked: float = -_ASK_EVERY
    _wrong: Problem | None = None

    def judge(self, watch: Watch, release: Release, changed: Callable[[], None]) -> Verdict | None:
        """Look until there is a verdict. None: another version came meanwhile.

        changed: called when the version has become ready, or begins or ends to migrate.
        """
        while True:
            at = time.monotonic()
            found = observation.installed()
            if found is None or found.release != release:
                return None
            before = watch.ready, watch.migrating
            verdict = watch.see(self._look(at, watch, found))
            if before != (watch.ready, watch.migrating):
                changed()
            if verdict is not None:
                return verdict
            time.sleep(max(0.0, at + _LOOK_EVERY - time.monotonic()))

    def _look(self, at: float, watch: Watch, found: Installed) -> Look:
        unit = observation.unit()
        thorough = False
        if unit.get("ActiveState") != "active":
            self._wrong, self._asked = None, -_ASK_EVERY
        elif at - self._asked >= _ASK_EVERY or self._wrong is not None:
            self._wrong, self._asked = self.canary.look(thorough=watch.wants_thorough(at)), at
            thorough = self.canary.proved
        seen = self._seen(at, unit)
        package = found.release.package
        return replace(
            seen,
            former=seen.busy and observation.began_before(self.paths, package, unit),
            spoilt=seen.state != "active" and observation.spoilt(self.paths),
            wrong=self._wrong,
            slow=self._wrong is not None and self.canary.slow,
            thorough=thorough,
            configured=found.configured,
            incomplete=found.incomplete,
        )

    def _seen(self, at: float, unit: Mapping[str, str]) -> Look:
        """What the host shows of it, whatever it answers."""
        state = unit.get("ActiveState", "")
        starting = state == "activating"
        database: bool | None
        database, at_work = True, False
        # A start that has failed may have failed for want of PostgreSQL.
        if starting or state == "failed" or self._wrong is not None:
            database, at_work = observation.works_in_database(self.database)
        pid = int(unit.get("MainPID") or 0)
        return Look(
            at=at,
            state=state,
            restarting=unit.get("SubState", "").startswith("auto-restart"),
            restarts=int(unit.get("NRestarts") or 0),
            result=unit.get("Result", "success"),
            answers=starting and observation.listens(self.canary.settings.listener.port),
            in_database=at_work,
            database=database,
            busy=observation.dpkg_busy(self.paths),
            hungry=observation.hungry(self.paths, pid) if pid else None,
        )
