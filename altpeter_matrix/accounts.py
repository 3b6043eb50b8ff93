"""Users and groups of the host, read from its own files so that another root has its own."""

from dataclasses import dataclass
from pathlib import Path

from .errors import HostError, Problem

SYNAPSE_USER = "matrix-synapse"


@dataclass(frozen=True)
class Accounts:
    """/etc/passwd and /etc/group: system users are always there, never in LDAP."""

    users: dict[str, int]  # user -> primary group's number
    groups: dict[str, int]

    def group_id(self, name: str | None) -> int | None:
        """The number of a group; None stands for root's."""
        if name is None:
            return None
        if name not in self.groups:
            raise HostError(
                Problem("/etc/group", f"has no group {name}", "reinstall the Synapse package")
            )
        return self.groups[name]

    def primary_group(self, user: str) -> str | None:
        """The name of a user's primary group; None when there is no such user."""
        number = self.users.get(user)
        names = [name for name, group in self.groups.items() if group == number]
        return names[0] if names else None


def read_accounts(root: Path) -> Accounts:
    return Accounts(
        users={row[0]: int(row[3]) for row in _rows(root / "etc/passwd", 4)},
        groups={row[0]: int(row[2]) for row in _rows(root / "etc/group", 3)},
    )


def _rows(path: Path, least: int) -> list[list[str]]:
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [line.split(":") for line in lines]
    return [row for row in rows if len(row) >= least and row[least - 1].isdigit()]
