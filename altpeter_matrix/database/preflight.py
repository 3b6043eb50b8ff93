"""What must be so before a database is moved to another PostgreSQL."""

from dataclasses import dataclass
from pathlib import Path

from ..apply.activation import Host
from ..base.errors import HostError, Problem
from ..base.paths import Paths
from ..postgresql import layout, superuser_code
from ..postgresql.cluster_list import Cluster
from ..postgresql.clusters import Clusters
from ..postgresql.connection import Statement
from ..postgresql.synapse_database import HAS_USERS
from ..postgresql.upgrade_journal import Move
from ..synapse import config_files

_RESERVE = 256 * 1024**2
_MARGIN = 1.1
_MOST_SHOWN = 3


@dataclass(frozen=True)
class Plan:
    """Which cluster is to move to which version, and Synapse's database in it."""

    old: Cluster
    new: int
    database: str


def plan(host: Host, clusters: Clusters, to: int | None) -> Plan | None:
    """The move that is asked for; None when the newest version serves already."""
    database = config_files.database_of(host.paths)
    if not host.services.present:
        raise HostError(Problem("systemd", "does not run here", "boot this system"))
    if database is None:
        raise HostError(
            Problem(
                "Synapse's database",
                f"is not in a cluster on port {layout.PORT} of this host",
                "upgrade PostgreSQL where it is, with Debian's pg_upgradecluster",
            )
        )
    old = clusters.on_port(layout.PORT)
    if old is None or not old.running:
        raise HostError(
            Problem(
                f"PostgreSQL {old}" if old else "PostgreSQL",
                f"does not run on port {layout.PORT}", "look at `pg_lsclusters`",
            )
        )  # fmt: skip
    new = _wanted_version(host.paths, clusters, old, to)
    if new is None:
        return None
    if clusters.ask_synapse(old, database, HAS_USERS) != [[True]]:
        raise HostError(
            Problem(
                f"PostgreSQL {old}", f"has no Synapse in its database {database}",
                "look at `pg_lsclusters`: another cluster may have to be on this port",
            )
        )  # fmt: skip
    if wrong := superuser_code.problems(clusters.code(old, database)):
        raise HostError(wrong)
    if said := clusters.missing_packages(old, new):
        raise HostError(Problem("apt", said, "install what is missing, then run this again"))
    return Plan(old, new, database)


def _wanted_version(paths: Paths, clusters: Clusters, old: Cluster, to: int | None) -> int | None:
    installed = clusters.servers()
    newest = max(installed, default=old.version)
    wanted = to or max(newest, layout.of_this_release(paths) or 0)
    if to is not None and to < old.version:
        raise HostError(
            Problem(f"PostgreSQL {to}", f"is older than {old}", "there is no move to older ones")
        )
    if wanted <= old.version:
        return None
    if wanted not in installed:
        raise HostError(
            Problem(
                f"PostgreSQL {wanted}", "is not installed",
                f"`apt install postgresql-{wanted}`, then run this again",
            )
        )  # fmt: skip
    return wanted


def place_for(clusters: Clusters, plan: Plan, left: Move | None) -> Cluster | None:
    """The cluster to remove in favour of the new one: proved empty, or left by an undone move.

    Installing a newer server may make an empty cluster of the same name, and pg_upgradecluster
    replaces none.
    """
    there = clusters.find(plan.new, plan.old.name)
    if left is not None and left.new == plan.new:
        return there
    if there is None:
        if (place := clusters.occupied(plan.new, plan.old.name)) is not None:
            raise HostError(Problem(str(place), "is not empty", "move it away"))
        return None
    remedy = f"if it is not needed: `pg_dropcluster --stop {there.version} {there.name}`"
    if not there.running:
        raise HostError(
            Problem(f"PostgreSQL {there}", "is stopped, so it may hold anything", remedy)
        )
    if content := clusters.content(there):
        shown = ", ".join(content[:_MOST_SHOWN])
        more = f" and {len(content) - _MOST_SHOWN} more" if len(content) > _MOST_SHOWN else ""
        raise HostError(Problem(f"PostgreSQL {there}", f"is in use: {shown}{more}", remedy))
    return there


def require_disk(
    clusters: Clusters, plan: Plan, *, copies: int, reclaimed: Cluster | None = None
) -> None:
    """Room for the new cluster and, to rehearse (`copies=2`), for another one of the old."""
    one = int(clusters.size(plan.old) * _MARGIN) + _RESERVE
    needed: dict[int, int] = {}
    for version in (plan.new, plan.old.version)[:copies]:
        device, free, place = clusters.free(version)
        needed[device] = needed.get(device, 0) + one
        if reclaimed is not None and reclaimed.version == version:
            free += clusters.size(reclaimed)
        if free < needed[device]:
            raise HostError(_short(place, needed[device], free))


def _short(place: Path, needed: int, free: int) -> Problem:
    return Problem(
        str(place), f"needs {needed} bytes for a copy of the database and has {free} free",
        "free some space, or mount a larger disk there",
    )  # fmt: skip


def require_usable(clusters: Clusters, made: Cluster, plan: Plan) -> None:
    """The new cluster is where Synapse looks, and lets it in as the old one did."""
    if made.port != plan.old.port:
        raise HostError(
            Problem(f"PostgreSQL {made}", f"listens on port {made.port}", "look at its log")
        )
    clusters.ask_synapse(made, plan.database, Statement("select 1 from users limit 1"))
