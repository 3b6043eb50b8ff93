"""Which packages a host is to have, and what apt is to do for it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from altpeter_matrix.settings.model import Settings

from ..base.packages import CLOCKS, DEBIAN_SYNAPSE, PACKAGE, TIMESYNCD, UPSTREAM_SYNAPSE
from ..base.paths import PACKAGE_MARK
from ..inventory.target import Target
from ..observe.host_state import HostState, digest

# Releases of Debian that upstream's repository has packages for.
UPSTREAM_RELEASES = ("bookworm", "trixie")


@dataclass(frozen=True)
class Transaction:
    """What one call of apt is to do."""

    install: tuple[str, ...]  # from repositories, with a version where it is to be a certain one
    manual: tuple[str, ...]  # to be marked as installed by hand
    repair: bool  # dpkg was interrupted, or left something unfinished
    package: Path | None = None  # the file of ours, where it comes with the deploy
    package_sha256: str = ""
    reinstall: bool = False  # the same version is there, of another build
    downgrade: bool = False  # a repository's certain version may be an older one


def uses_upstream(state: HostState) -> bool:
    """Whether Synapse comes from upstream's repository on this host."""
    return state.codename in UPSTREAM_RELEASES or state.installed(UPSTREAM_SYNAPSE)


def synapse_package(state: HostState) -> str:
    return UPSTREAM_SYNAPSE if uses_upstream(state) else DEBIAN_SYNAPSE


def wanted(settings: Settings, state: HostState) -> tuple[str, ...]:
    """What the host is to have besides our own package, whose dependencies apt knows."""
    names = [synapse_package(state), "nginx", "postgresql", "ca-certificates"]
    if settings.certificates.acme:
        names.append("certbot")
    if settings.firewall.enabled:
        names.append("ufw")
    if settings.updates.unattended:
        names.append("unattended-upgrades")
    if settings.backup is not None:
        names.append("restic")
        if settings.backup.to.kind == "sftp":
            names.append("openssh-client")
        if settings.backup.point_in_time is not None:
            names.append("pgbackrest")
    if settings.sizing.enabled:
        names.append("libjemalloc2")
    if not any(state.installed(clock) for clock in CLOCKS):
        names.append(TIMESYNCD)
    return tuple(names)


def ours_is_there(target: Target, state: HostState) -> bool:
    """Whether exactly this build of our package is installed: a version alone may be built anew.

    From a repository it is enough that it has the version, if there is to be a certain one.
    """
    if target.repository is not None:
        found = state.packages.get(PACKAGE)
        wanted = target.repository.version
        return found is not None and found.installed and wanted in {None, found.version}
    mark = f"{_file_digest(target.package)}\n".encode()
    if not state.installed(PACKAGE) or not state.has_file(PACKAGE_MARK, mark):
        return False
    # A repository may have replaced it since.
    return state.packages[PACKAGE].version == target.package_version


def transaction(target: Target, state: HostState) -> Transaction | None:
    """All that is missing, together, and what a killed run left unfinished; None: nothing."""
    names = wanted(target.settings, state)
    missing = [name for name in names if not state.installed(name)]
    manual = tuple(name for name in names if name in state.automatic)
    repair = state.dpkg_interrupted or bool(state.unfinished)
    ours = ours_is_there(target, state)
    if ours and not (missing or repair or manual):
        return None
    if target.repository is not None:
        missing += [] if ours else [_from_repository(target.repository.version)]
        return Transaction(tuple(missing), manual, repair, downgrade=True)
    if ours:
        return Transaction(tuple(missing), manual, repair)
    found = state.packages.get(PACKAGE)
    return Transaction(
        tuple(missing),
        manual,
        repair,
        package=target.package,
        package_sha256=_file_digest(target.package),
        reinstall=found is not None and found.version == target.package_version,
    )


def _from_repository(version: str | None) -> str:
    return PACKAGE if version is None else f"{PACKAGE}={version}"


@cache
def _file_digest(path: Path) -> str:
    return digest(path.read_bytes())
