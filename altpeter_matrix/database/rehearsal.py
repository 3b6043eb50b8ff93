"""The move to a newer PostgreSQL, tried on a copy of the cluster while the server goes on."""

import time
from collections.abc import Callable
from typing import Any

from ..base.errors import HostError
from ..base.paths import Paths
from ..base.state_file import StateFile
from ..postgresql.cluster_content import SCHEMA_VERSION, differences, rows_of_tables
from ..postgresql.clusters import Clusters
from . import preflight
from .preflight import Plan

# The name of the scratch clusters: whatever is called so is ours, and may be removed.
SCRATCH = "altpeter_rehearsal"


class Rehearsal:
    """Makes scratch clusters, moves one to the other, compares, removes both."""

    def __init__(self, paths: Paths, clusters: Clusters, say: Callable[[str], None]) -> None:
        self.paths = paths
        self.clusters = clusters
        self.say = say

    def run(self, plan: Plan) -> None:
        """Raises HostError when the move would fail; nothing is left of it either way."""
        preflight.require_disk(self.clusters, plan, copies=2)
        size = self.clusters.size(plan.old)
        self.say(f"Copying {plan.old}, {size} bytes, while it serves.")
        try:
            self.clusters.copy(plan.old, SCRATCH)
            copy = self.clusters.existing(plan.old.version, SCRATCH)
            begun = time.monotonic()
            before = self.clusters.inventory(copy, plan.database)
            self.say(f"Moving the copy to PostgreSQL {plan.new}.")
            made = self.clusters.upgrade(copy, plan.new, plan.database)
            after = self.clusters.inventory(made, plan.database)
            seconds = time.monotonic() - begun
            needed = self.clusters.size(made)
            if wrong := differences(before, after, f"the copy in PostgreSQL {plan.new}"):
                raise HostError(wrong)
        finally:
            self.remove()
        self._record(plan, seconds, needed)
        rows = rows_of_tables(before)
        schema = before.get(SCHEMA_VERSION, "unknown")
        self.say(
            f"It works: {sum(rows)} rows of {len(rows)} tables were moved, schema {schema}, in"
            f" {seconds:.0f} s; the new cluster takes {needed} bytes. The real move keeps the"
            " server away for that long, and for Synapse's own start."
        )

    def remove(self) -> None:
        """Remove the scratch clusters, or what is left of them."""
        self.clusters.end_leftovers()
        for version in self.clusters.servers():
            self.clusters.drop(version, SCRATCH)

    def last(self, plan: Plan) -> float | None:
        """The seconds that the last rehearsal of this move took."""
        rehearsed = _FILE.read(self.paths.database_rehearsal)
        return rehearsed.get((str(plan.old), plan.new))

    def _record(self, plan: Plan, seconds: float, needed: int) -> None:
        content = {"old": str(plan.old), "new": plan.new, "seconds": seconds, "bytes": needed}
        _FILE.write(self.paths.database_rehearsal, content)


def _parse(raw: dict[str, Any]) -> dict[tuple[str, int], float]:
    """Seconds, by what was moved to which version."""
    return {(raw["old"], raw["new"]): float(raw["seconds"])}


_FILE: StateFile[dict[tuple[str, int], float]] = StateFile(_parse, missing={}, numbered=False)
