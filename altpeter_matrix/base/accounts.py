"""Users and groups of the host, read from its own files so that another root has its own."""

from dataclasses import dataclass, field
from pathlib import Path

from .commands import run
from .errors import HostError, Problem

SYNAPSE_USER = "matrix-synapse"
# Debian's own package leaves its user in the group that every daemon without one shares.
SHARED_GROUP = "nogroup"
OWN_GROUP = "matrix-synapse"


@dataclass(frozen=True)
class Accounts:
    """/etc/passwd and /etc/group: system users are always there, never in LDAP."""

    users: dict[str, int]  # user -> primary group's number
    groups: dict[str, int]
    members: dict[str, tuple[str, ...]]  # group -> users added to it
    ids: dict[str, int] = field(default_factory=dict)  # user -> its number

    def group_id(self, name: str | None) -> int | None:
        """The number of a group; None stands for root's."""
        if name is None:
            return None
        if name not in self.groups:
            raise HostError(
                Problem("/etc/group", f"has no group {name}", "reinstall the Synapse package")
            )
        return self.groups[name]

    def groups_of(self, user: str) -> frozenset[int]:
        """The numbers of all groups that a user is in."""
        added = {self.groups[name] for name, users in self.members.items() if user in users}
        return frozenset(added | ({self.users[user]} if user in self.users else set()))

    def synapse_group(self) -> str | None:
        """The group that may read Synapse's secrets; None when Synapse has no user."""
        number = self.users.get(SYNAPSE_USER)
        names = [name for name, group in self.groups.items() if group == number]
        return (OWN_GROUP if names[0] == SHARED_GROUP else names[0]) if names else None


def read_accounts(root: Path) -> Accounts:
    groups, users = _rows(root / "etc/group", 3), _rows(root / "etc/passwd", 4)
    return Accounts(
        users={row[0]: int(row[3]) for row in users},
        groups={row[0]: int(row[2]) for row in groups},
        members={row[0]: tuple(row[3].split(",")) if len(row) > 3 else () for row in groups},
        ids={row[0]: int(row[2]) for row in users if row[2].isdigit()},
    )


def ensure_synapse_group(root: Path) -> Accounts:
    """Give Synapse a group of its own where its package did not: its secrets are for it alone."""
    accounts = read_accounts(root)
    if accounts.users.get(SYNAPSE_USER) != accounts.groups.get(SHARED_GROUP, -1):
        return accounts
    if OWN_GROUP not in accounts.groups:
        run("groupadd", "--system", OWN_GROUP)
    if SYNAPSE_USER not in accounts.members.get(OWN_GROUP, ()):
        run("usermod", "--append", "--groups", OWN_GROUP, SYNAPSE_USER)
    return read_accounts(root)


def _rows(path: Path, least: int) -> list[list[str]]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [line.split(":") for line in lines]
    return [row for row in rows if len(row) >= least and row[least - 1].isdigit()]
