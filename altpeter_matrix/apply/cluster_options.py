"""PostgreSQL follows the generation: its sizes, in a file of ours in the cluster's conf.d.

All of them but `shared_buffers` change while it runs. That one waits for a restart of PostgreSQL,
and there is one only within a restart of Synapse, while requests wait (bridge/beneath.py).

What was there before is noted until PostgreSQL has started with what is new, and comes back when it
does not. A cluster that holds other people's databases is left alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..base.commands import last_lines, run
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..base.resources import document
from ..base.signals import undisturbed
from ..base.state_file import StateFile
from ..postgresql import layout, own_options
from ..postgresql.cluster_list import Cluster, ClusterList
from ..postgresql.own_options import AT_START
from ..synapse import config_files

OPTIONS = "postgresql/options.conf"
_PAGE = document("sizing.md")


class Trial(NamedTuple):
    """What a cluster had before a change that is not proved yet."""

    version: int
    name: str
    before: str | None


@dataclass(frozen=True)
class Follow:
    """What came of it. restart: the unit that has to restart with Synapse, if it does."""

    notices: tuple[Problem, ...] = ()
    restart: str | None = None


class ClusterOptions:
    """Of the cluster on the port where Synapse finds its database."""

    def __init__(self, paths: Paths, clusters: ClusterList | None = None) -> None:
        self.paths = paths
        self.clusters = clusters or ClusterList(paths)

    def follow(self) -> Follow:
        """Have PostgreSQL follow what is current, but for what needs a restart.

        HostError when PostgreSQL does not take it: then it has what it had.
        """
        cluster = self.clusters.on_port(layout.PORT)
        database = config_files.database_of(self.paths)
        if cluster is None or not cluster.running or database is None:
            return Follow()
        if not own_options.place(self.paths, cluster).parent.is_dir():
            return Follow((_unread(cluster),))
        generated, before = self._generated(), own_options.read(self.paths, cluster)
        if generated is None and before is None:
            return Follow()
        if generated is not None and (others := own_options.of_others(cluster, database)):
            return Follow((_shared(cluster, others),))
        found = own_options.files(cluster)
        wanted = None if generated is None else own_options.without(generated, found)
        # One that is not proved yet may be of a run that was killed before PostgreSQL knew of it.
        if wanted != before or self._trial() is not None:
            self._change(cluster, before, wanted)
            found = own_options.files(cluster)
        notices = () if wanted is None or own_options.read_by(found) else (_unread(cluster),)
        if not own_options.waits_for_restart(found):
            return Follow(notices)
        own_options.checkpoint(cluster)
        return Follow(notices, restart=cluster.unit)

    def _generated(self) -> str | None:
        try:
            return (self.paths.current / OPTIONS).read_text(encoding="utf-8")
        except OSError:
            return None

    def _trial(self) -> Trial | None:
        return _TRIAL.read(self.paths.cluster_options_trial)

    def _tried(self) -> tuple[Cluster, Trial] | None:
        """The cluster that serves, while what it is told is not proved. It may be another one by
        now, of a newer PostgreSQL."""
        trial, cluster = self._trial(), self.clusters.on_port(layout.PORT)
        if trial is None or cluster is None:
            return None
        return (cluster, trial) if (cluster.version, cluster.name) == trial[:2] else None

    def _forget_trial(self) -> None:
        self.paths.cluster_options_trial.unlink(missing_ok=True)

    def _change(self, cluster: Cluster, before: str | None, wanted: str | None) -> None:
        if self._tried() is None:
            # Else there is one that PostgreSQL has not been restarted for: not proved, either.
            trial = Trial(cluster.version, cluster.name, before)
            _TRIAL.write(self.paths.cluster_options_trial, trial._asdict())
        own_options.write(self.paths, cluster, wanted)
        if reason := own_options.refusal(self.paths, cluster):
            self._put_back()
            raise HostError(
                Problem(
                    f"PostgreSQL {cluster}", f"would not start with its new options: {reason}",
                    f"change `sizing` in the settings, see {_PAGE}",
                )
            )  # fmt: skip
        own_options.reload(cluster)

    def prove(self) -> None:
        """Whether PostgreSQL has started with what is new, or waits for that.

        HostError when it does not start: then it runs with what it had.
        """
        tried = self._tried()
        if tried is None:
            self._forget_trial()
            return
        cluster, _ = tried
        if cluster.running:
            if not own_options.waits_for_restart(own_options.files(cluster)):
                self._forget_trial()
            return
        size = own_options.value(own_options.read(self.paths, cluster), AT_START)
        why = last_lines(_log(self.paths, cluster), 4)
        self._put_back()
        raise HostError(
            Problem(
                f"PostgreSQL {cluster}",
                f"did not start with its new options ({AT_START} = {size}), and runs with the"
                f" old ones again: {why}",
                f"set another sizing.{AT_START}, see {_PAGE}",
            )
        )

    def _put_back(self) -> None:
        """What was there before a change that was not proved."""
        with undisturbed():
            if tried := self._tried():
                cluster, trial = tried
                own_options.write(self.paths, cluster, trial.before)
                action = "reload" if cluster.running else "restart"
                run("systemctl", action, cluster.unit, check=False, timeout=600)
            self._forget_trial()

    def recover(self) -> None:
        """What a killed run, or a boot, left: where PostgreSQL does not run, the old comes back."""
        tried = self._tried()
        if tried is not None and not tried[0].running:
            self._put_back()

    def withdraw(self) -> None:
        """Take our file away; PostgreSQL's cache shrinks or grows at its next start."""
        cluster = self.clusters.on_port(layout.PORT)
        if cluster is not None and own_options.read(self.paths, cluster) is not None:
            own_options.write(self.paths, cluster, None)
            run("systemctl", "reload", cluster.unit, check=False)
        self._forget_trial()


def later(unit: str) -> Problem:
    """That the restart did not come with one of Synapse."""
    return Problem(
        unit, f"takes its new {AT_START} at its next start",
        f"wait for an update of it, or `systemctl stop matrix-synapse; systemctl restart {unit};"
        " systemctl start matrix-synapse`: requests wait meanwhile",
    )  # fmt: skip


def _unread(cluster: Cluster) -> Problem:
    return Problem(
        f"PostgreSQL {cluster}", "does not read its conf.d, so its sizes stay as they are",
        f"add `include_dir = 'conf.d'` to /etc/postgresql/{cluster}/postgresql.conf",
    )  # fmt: skip


def _shared(cluster: Cluster, others: list[str]) -> Problem:
    return Problem(
        f"PostgreSQL {cluster}",
        f"also holds {', '.join(others[:3])}, so its sizes are left as they are",
        f"size it yourself, see {_PAGE}; `sizing: {{enabled: false}}` ends this notice",
    )


def _log(paths: Paths, cluster: Cluster) -> str:
    name = f"postgresql-{cluster.version}-{cluster.name}.log"
    try:
        text = paths.on_host(f"/var/log/postgresql/{name}").read_text("utf-8", errors="replace")
    except OSError:
        return ""
    marks = ("FATAL", "HINT", "could not")
    return "\n".join(line for line in text[-4000:].splitlines() if any(m in line for m in marks))


def _parse(raw: Mapping[str, Any]) -> Trial:
    before = raw["before"]
    return Trial(int(raw["version"]), str(raw["name"]), None if before is None else str(before))


_TRIAL: StateFile[Trial | None] = StateFile(_parse, missing=None)
