"""`altpeter-matrix database upgrade`: Synapse's cluster in a newer PostgreSQL, with a way back.

The old cluster is copied, never changed: until the copy is proved and Synapse is healthy on it,
any failure returns to the old one. Each phase is in the journal before its first step, so the run
after one that was killed knows what to do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

from ..apply.activation import Host
from ..apply.services import SYNAPSE
from ..apply.serving import Serving
from ..base.errors import HostError, MatrixConfigError, Problem
from ..base.failures import problems_of
from ..base.locks import exclusive
from ..base.signals import termination_as_exception, undisturbed
from ..postgresql.cluster_content import differences, newest_event
from ..postgresql.clusters import Clusters
from ..postgresql.connection import Statement, number
from ..postgresql.upgrade_journal import STANDSTILL, Journal, Move, Phase
from ..synapse import config_files
from . import preflight
from .preflight import Plan
from .rehearsal import SCRATCH, Rehearsal

Say = Callable[[str], None]
_AGAIN = "altpeter-matrix database upgrade"


class DatabaseUpgrade:
    """The command's four forms. Each first clears up after a killed run."""

    def __init__(self, host: Host, say: Say, clusters: Clusters | None = None) -> None:
        self.host = host
        self.paths = host.paths
        self.say = say
        self.clusters = clusters or Clusters(host.paths)
        self.journal = Journal(host.paths)
        self.serving = Serving(host)

    def run(self, to: int | None) -> bool:
        """Move to version `to`, or to the newest one installed; whether there was a move."""
        with self._alone():
            move = self._recovered()
            plan = preflight.plan(self.host, self.clusters, to)
            if plan is None:
                return False
            if move is not None and move.phase is Phase.MOVED:
                raise HostError(
                    Problem(
                        "PostgreSQL",
                        f"cluster {move.old_cluster} is kept from the move before",
                        f"remove it with `{_AGAIN} --finish` first",
                    )
                )
            left = move if move is not None and move.phase is Phase.UNDONE else None
            replaced = preflight.place_for(self.clusters, plan, left)
            preflight.require_disk(self.clusters, plan, copies=1, reclaimed=replaced)
            self.serving.require()
            self._announce(plan)
            self._move(plan)
            return True

    def rehearse(self, to: int | None) -> bool:
        """Do all of it on a copy, while the server goes on; whether there was something to do."""
        with self._alone():
            self._recovered()
            plan = preflight.plan(self.host, self.clusters, to)
            if plan is None:
                return False
            Rehearsal(self.paths, self.clusters, self.say).run(plan)
            return True

    def undo(self, *, yes: bool) -> bool:
        """Return to the kept old cluster; whether there was anything to undo."""
        with self._alone():
            interrupted = self.journal.read()
            if interrupted is not None and interrupted.phase is Phase.STARTING:
                # Synapse may not even start on the new cluster: do not insist on it.
                move: Move | None = interrupted.now(Phase.MOVED)
            else:
                move = self._recovered()
            if interrupted is not None and interrupted.phase in STANDSTILL:
                return True
            if move is None or move.phase is not Phase.MOVED:
                return False
            if self.clusters.find(move.old, move.name) is None:
                raise HostError(
                    Problem(
                        f"PostgreSQL {move.old_cluster}", "was removed, so there is no way back",
                        f"`{_AGAIN} --finish` forgets it",
                    )
                )  # fmt: skip
            lost = self._written_since(move)
            if not yes:
                raise HostError(
                    Problem(
                        f"PostgreSQL {move.old_cluster}",
                        f"is as it was at {move.time}: {lost} would not be on the server any more",
                        f"if that is right, run `{_AGAIN} --undo --yes`",
                    )
                )
            self.say(f"Returning to {move.old_cluster}, without {lost}.")
            with undisturbed():
                self._return(move.now(Phase.RETURNING), keep_new=True)
            self.say(
                f"{move.old_cluster} serves again. {move.new_cluster}, with what was written since,"
                f" is kept until the next upgrade or `{_AGAIN} --finish` removes it."
            )
            return True

    def finish(self) -> bool:
        """Remove the cluster that does not serve any more; whether there was one."""
        with self._alone():
            move = self._recovered()
            if move is None:
                return False
            self.serving.require()
            serving = self.clusters.on_port(move.port)
            version = move.new if move.phase is Phase.MOVED else move.old
            if serving is None or (serving.version, serving.name) != (version, move.name):
                raise HostError(
                    Problem(
                        f"PostgreSQL {version}/{move.name}",
                        f"is not what serves on port {move.port}, so nothing was removed",
                        "look at `pg_lsclusters`",
                    )
                )
            self._finish(move.now(Phase.FINISHING), keep_new=move.phase is Phase.MOVED)
            return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with exclusive(self.paths), termination_as_exception():
            yield

    def _recovered(self) -> Move | None:
        """Bring a killed run to an end; the move that is there afterwards."""
        move = self.journal.read()
        if self.clusters.has(SCRATCH):
            self.clusters.end_leftovers()
            self.say("Removing what an interrupted rehearsal left.")
            Rehearsal(self.paths, self.clusters, self.say).remove()
        if move is None:
            self.journal.release_synapse()
            return None
        if move.phase in {Phase.MOVING, Phase.RETURNING}:
            self.say(f"An upgrade was interrupted; returning to {move.old_cluster}.")
            with undisturbed():
                self._return(move.now(Phase.RETURNING), keep_new=move.keep_new)
        elif move.phase is Phase.STARTING:
            self.say("An upgrade was interrupted at its end; completing it.")
            self._complete(move)
        elif move.phase is Phase.FINISHING:
            self._finish(move, keep_new=move.keep_new)
        return self.journal.read()

    def _move(self, plan: Plan) -> None:
        old = plan.old
        move = Move(
            phase=Phase.MOVING, old=old.version, new=plan.new, name=old.name, port=old.port,
            start_mode=self.clusters.start_mode(old), synapse_ran=self.serving.is_to_run(),
        ).now(Phase.MOVING)  # fmt: skip
        self.journal.write(move)
        try:
            # An empty cluster, or what is left of an undone move.
            self.clusters.drop(move.new, move.name)
            self.say("Stopping Synapse.")
            self.host.services.stop(SYNAPSE)
            move = self._copied(plan, move)
            move = move.now(Phase.STARTING)
            self.journal.write(move)
            self._serve(move)
        except BaseException as error:
            self._give_up(move, error)
        self.journal.write(move.now(Phase.MOVED))
        self.say(
            f"PostgreSQL {move.new_cluster} serves now. {move.old_cluster} is kept, stopped:"
            f" `{_AGAIN} --undo` returns to it, `{_AGAIN} --finish` removes it."
        )

    def _copied(self, plan: Plan, move: Move) -> Move:
        """Make the new cluster and prove that it holds the same."""
        before = self.clusters.inventory(plan.old, plan.database)
        self.say(f"Copying {plan.old} to {move.new_cluster}.")
        made = self.clusters.upgrade(plan.old, plan.new, plan.database)
        self.say("Comparing the copy with the original.")
        after = self.clusters.inventory(made, plan.database)
        if wrong := differences(before, after, f"PostgreSQL {made}"):
            raise HostError(wrong)
        preflight.require_usable(self.clusters, made, plan)
        return replace(move, newest_event=newest_event(before))

    def _serve(self, move: Move) -> None:
        """Start Synapse, if it ran, and ask as a client would."""
        if move.synapse_ran:
            self.say("Starting Synapse.")
            self.serving.start()

    def _give_up(self, move: Move, error: BaseException) -> NoReturn:
        """Return to the old cluster, then raise what went wrong."""
        problems = problems_of(error)
        with undisturbed():
            self.say(f"Going back to {move.old_cluster}.")
            try:
                self._return(move.now(Phase.RETURNING), keep_new=False)
                note = f"{move.old_cluster} serves as before"
            except (MatrixConfigError, OSError) as second:
                note = f"going back failed, too: {'; '.join(map(str, problems_of(second)))}"
        if not problems:
            self.say(f"{note}.")
            raise error  # Ctrl-C, or a defect
        raise HostError(
            Problem(one.where, f"{one.what} ({note})", one.remedy) for one in problems
        ) from error

    def _return(self, move: Move, *, keep_new: bool) -> None:
        """Have the old cluster serve again. May be done any number of times."""
        move = replace(move, keep_new=keep_new)
        self.journal.write(move)
        self.clusters.end_leftovers()
        self.host.services.stop(SYNAPSE)
        new = self.clusters.find(move.new, move.name)
        if not keep_new:
            self.clusters.drop(move.new, move.name)
        elif new is not None:
            self.clusters.stop(new)
            self.clusters.set_start_mode(new, "manual\n")
            self.clusters.set_port(new, self.clusters.free_port())
        old = self.clusters.existing(move.old, move.name)
        self.clusters.stop(old)
        self.clusters.set_port(old, move.port)
        self.clusters.set_start_mode(old, move.start_mode)
        self.clusters.start(self.clusters.existing(move.old, move.name))
        self.journal.release_synapse()
        self._serve(move)
        if keep_new:
            self.journal.write(move.now(Phase.UNDONE))
        else:
            self.journal.clear()

    def _complete(self, move: Move) -> None:
        """The copy was proved, and Synapse may have written to it: only forward from here."""
        self.journal.release_synapse()
        try:
            self._serve(move)
        except (MatrixConfigError, OSError) as error:
            self.journal.write(move.now(Phase.MOVED))
            raise HostError(
                Problem(
                    one.where, f"{one.what} (with PostgreSQL {move.new_cluster})",
                    f"{one.remedy}; `{_AGAIN} --undo` says what going back would cost",
                )
                for one in problems_of(error)
            ) from error  # fmt: skip
        self.journal.write(move.now(Phase.MOVED))

    def _finish(self, move: Move, *, keep_new: bool) -> None:
        self.journal.write(replace(move, keep_new=keep_new))
        version = move.old if keep_new else move.new
        self.say(f"Removing {version}/{move.name}.")
        self.clusters.drop(version, move.name, ours=not keep_new)
        self.journal.clear()

    def _written_since(self, move: Move) -> str:
        since = f"what was written since ({move.time})"
        new = self.clusters.find(move.new, move.name)
        database = config_files.database_of(self.paths)
        if new is None or not new.running or database is None:
            return since
        newer = Statement(
            "select count(*) from events where stream_ordering > %s", (move.newest_event,)
        )
        count = number(self.clusters.ask_synapse(new, database, newer))
        return f"{since}, {count} events and all other changes,"

    def _announce(self, plan: Plan) -> None:
        known = Rehearsal(self.paths, self.clusters, self.say).last(plan)
        if known is None:
            expected = (
                f"nobody knows for how long; `{_AGAIN} --rehearse` would tell and goes on serving"
            )
        else:
            expected = f"for about {known:.0f} s, as rehearsed, and Synapse's own start"
        self.say(f"Moving {plan.old} to PostgreSQL {plan.new}. The server is away {expected}.")
