"""What the inventory says about a host, checked once and frozen from then on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import yaml
from pyinfra.api import Host

from altpeter_matrix.base.errors import Problem, SettingsError
from altpeter_matrix.settings.model import Settings, load_settings
from altpeter_matrix.settings.schema import plain_copy

from .package_file import package_file
from .package_repository import PackageRepository, read_repository
from .passwords import given_password

_HEADER = """\
# Settings of this homeserver, written by the pyinfra deploy: change them in the inventory
# (`matrix` in group_data), or the next deploy replaces this file and keeps yours beside it, in
# /var/lib/altpeter-matrix/replaced/.
"""


@dataclass(frozen=True)
class Target:
    """A host of the inventory, as its administrator wants it."""

    name: str
    source: str  # the file that holds its settings, for errors
    settings: Settings
    settings_text: str  # of /etc/altpeter-matrix/settings.yaml
    package: Path
    package_version: str  # empty: whatever the repository has
    repository: PackageRepository | None = None  # instead of `package`
    smtp_password: str | None = field(default=None, repr=False)
    sudo_password: str | None = field(default=None, repr=False)
    public_addresses: frozenset[str] = frozenset()  # of a host behind NAT
    adopt: bool = False  # whether a server that was set up by hand may be taken over

    @property
    def administrator(self) -> str | None:
        """The first administrator's user ID."""
        administrator = self.settings.administrator
        if administrator is None:
            return None
        return f"@{administrator.username}:{self.settings.server_name}"


def read_target(host: Host) -> Target:
    """The target that a host's data describe; SettingsError names everything that is wrong."""
    source = _source(host)
    raw = host.data.get("matrix")
    if not isinstance(raw, Mapping):
        raise SettingsError(_no_settings(host, source, raw))
    problems: list[Problem] = []
    try:
        settings = load_settings(raw, source=source)
    except SettingsError as error:
        raise SettingsError(
            Problem(f"{p.where} ({host.name})", p.what, p.remedy) for p in error.problems
        ) from error
    repository = _repository(host, source, problems)
    package, version = (
        package_file(host, problems) if repository is None else (Path(), repository.version or "")
    )
    password = given_password(host, source, "smtp_password", problems)
    sudo_password = _sudo_password(host, source, problems)
    addresses = _public_addresses(host, source, problems)
    adopt = _adopt(host, source, problems)
    if password is not None and settings.email is None:
        problems.append(
            Problem(
                f"{source}: smtp_password_file ({host.name})",
                "is given, but no mail is to be sent",
                "add `email` to the settings, or remove the password",
            )
        )
    if problems:
        raise SettingsError(problems)
    return Target(
        name=host.name,
        source=source,
        settings=settings,
        settings_text=_HEADER
        + yaml.safe_dump(plain_copy(raw, source), sort_keys=False, allow_unicode=True),
        package=package,
        package_version=version,
        repository=repository,
        smtp_password=password,
        sudo_password=sudo_password,
        public_addresses=addresses,
        adopt=adopt,
    )


def _source(host: Host) -> str:
    """The file that gave the host its settings."""
    inventory = host.inventory
    if "matrix" not in inventory.get_host_data(host.name):
        for group in host.groups:
            if "matrix" in inventory.get_group_data(group):
                return f"group_data/{group}.py"
        if "matrix" in inventory.get_data():
            return "group_data/all.py"
    return "inventory"


def _no_settings(host: Host, source: str, raw: Any) -> Problem:
    if raw is None:
        return Problem(
            f"inventory: {host.name}",
            "has no settings",
            "put it into a group with `matrix = {…}` in group_data, see examples/",
        )
    return Problem(
        f"{source}: matrix ({host.name})",
        f"is a {type(raw).__name__}, not a mapping of settings",
        'write `matrix = {"server_name": "example.org"}`',
    )


def _repository(host: Host, source: str, problems: list[Problem]) -> PackageRepository | None:
    """The repository that the inventory names for our package, if it does."""
    raw = host.data.get("package_repository")
    if raw is None:
        return None
    where = f"{source}: package_repository ({host.name})"
    if host.data.get("package"):
        problems.append(
            Problem(
                where, "is given beside `package`", "decide for one of them and remove the other"
            )
        )
    try:
        return read_repository(raw, where)
    except SettingsError as error:
        problems += error.problems
        return None


def _sudo_password(host: Host, source: str, problems: list[Problem]) -> str | None:
    if host.data.get("_sudo_password") is not None:
        problems.append(
            Problem(
                f"{source}: _sudo_password ({host.name})",
                "is given to pyinfra, which shows it in the host's process list",
                "name a file that holds it with `sudo_password_file`",
            )
        )
    return given_password(host, source, "sudo_password", problems)


def _adopt(host: Host, source: str, problems: list[Problem]) -> bool:
    given = host.data.get("adopt")
    if not isinstance(given, bool | None):
        problems.append(
            Problem(f"{source}: adopt ({host.name})", f"is {given!r}", "write True or False")
        )
    return given is True


def _public_addresses(host: Host, source: str, problems: list[Problem]) -> frozenset[str]:
    found = set()
    for address in host.data.get("public_addresses") or ():
        try:
            found.add(str(ip_address(address)))
        except ValueError:
            problems.append(
                Problem(
                    f"{source}: public_addresses ({host.name})",
                    f'"{address}" is not an IP address',
                    "write IPv4 or IPv6 addresses",
                )
            )
    return frozenset(found)
