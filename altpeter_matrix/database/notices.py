"""What `status` says about the version of PostgreSQL, and about clusters that are kept."""

from ..apply.activation import Host
from ..base.errors import Problem
from ..postgresql import layout
from ..postgresql.upgrade_journal import Journal, Phase

_AGAIN = "altpeter-matrix database upgrade"


def version_notices(host: Host) -> list[Problem]:
    """For `status`: a version without a future, and clusters that are kept."""
    version, current = (
        layout.version_on_standard_port(host.paths), layout.of_this_release(host.paths),
    )  # fmt: skip
    found = []
    if version is not None and current is not None and version < current:
        found.append(
            Problem(
                f"PostgreSQL {version}",
                f"gets no more updates from this Debian release, whose version is {current}",
                f"`{_AGAIN} --rehearse` tries the move on a copy, `{_AGAIN}` makes it",
            )
        )
    move = Journal(host.paths).read()
    if move is not None and move.phase in {Phase.MOVED, Phase.UNDONE}:
        kept = move.old_cluster if move.phase is Phase.MOVED else move.new_cluster
        found.append(
            Problem(
                f"PostgreSQL {kept}", f"is kept, stopped, since {move.time}",
                f"`{_AGAIN} --finish` removes it",
            )
        )  # fmt: skip
    return found
