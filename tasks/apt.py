"""Where packages come from, and the one transaction that installs them."""

import shlex
from collections.abc import Generator
from functools import cache
from pathlib import Path

from pyinfra import host
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.api.command import PyinfraCommand

from altpeter_matrix.settings.model import Settings, SynapseRepository

from . import repository, timesync
from .files import digest
from .host_state import HostState
from .paths import DEPLOY_STATE, KEYRING, PACKAGE_KEYRING, PACKAGE_MARK, TRANSACTION_LOG
from .target import PACKAGE, Target

# Upstream's package, from upstream's repository; unreleased Debian has one of its own.
UPSTREAM_SYNAPSE = "matrix-synapse-py3"
DEBIAN_SYNAPSE = "matrix-synapse"
UPSTREAM_RELEASES = ("bookworm", "trixie")
OWN = (PACKAGE,)
# Every package that the deploy may install or has to know of.
PACKAGES = (
    UPSTREAM_SYNAPSE, DEBIAN_SYNAPSE, "ca-certificates", "certbot", "nginx", "openssl",
    "postgresql", "ufw", "unattended-upgrades", timesync.DEFAULT,
)  # fmt: skip

_TRANSACTION = Path(__file__).with_name("transaction.sh")
# Seconds that another package manager is waited for.
LOCK_TIMEOUT = 300


def uses_upstream(state: HostState) -> bool:
    """Whether Synapse comes from upstream's repository on this host."""
    return state.codename in UPSTREAM_RELEASES or state.installed(UPSTREAM_SYNAPSE)


def synapse_package(state: HostState) -> str:
    return UPSTREAM_SYNAPSE if uses_upstream(state) else DEBIAN_SYNAPSE


def sources(repository: SynapseRepository, state: HostState) -> bytes | None:
    """The repository in apt's deb822 format (sources.list(5)); None where it is not used."""
    if not uses_upstream(state):
        return None
    return (
        "# Synapse's own repository, written by the pyinfra deploy.\n"
        "Types: deb\n"
        f"URIs: {repository.uri}\n"
        f"Suites: {state.codename}\n"
        "Components: main\n"
        f"Signed-By: {KEYRING}\n"
    ).encode()


def package_sources(target: Target) -> bytes | None:
    """The repository of our own package, in the same format; None: the deploy brings it along."""
    if target.repository is None:
        return None
    source = repository.sources(target.repository.uri, PACKAGE_KEYRING)
    return f"# Our own package's repository, written by the pyinfra deploy.\n{source}".encode()


def package_pin(target: Target) -> bytes | None:
    """What keeps the version that the inventory asks for; None: updates install themselves."""
    if target.repository is None or target.repository.version is None:
        return None
    pin = repository.pin(PACKAGE, target.repository.version)
    return f"# Written by the pyinfra deploy (`package_repository`).\n{pin}".encode()


def wanted_packages(settings: Settings, state: HostState) -> tuple[str, ...]:
    """What the host is to have besides our own package, whose dependencies apt knows."""
    wanted = [synapse_package(state), "nginx", "postgresql", "ca-certificates"]
    if settings.certificates.acme:
        wanted.append("certbot")
    if settings.firewall.enabled:
        wanted.append("ufw")
    if settings.updates.unattended:
        wanted.append("unattended-upgrades")
    if not any(state.installed(clock) for clock in timesync.CLOCKS):
        wanted.append(timesync.DEFAULT)
    return tuple(wanted)


def package_is_there(target: Target, state: HostState) -> bool:
    """Whether exactly this build of our package is installed: a version alone may be built anew.

    From a repository it is enough that it has the version, if there is to be a certain one.
    """
    if target.repository is not None:
        found = state.packages.get(PACKAGE)
        wanted = target.repository.version
        return found is not None and found.installed and wanted in {None, found.version}
    mark = digest(f"{_file_digest(target.package)}\n".encode())
    if not state.installed(PACKAGE) or state.files.get(PACKAGE_MARK) != mark:
        return False
    # A repository may have replaced it since.
    return state.packages[PACKAGE].version == target.package_version


@operation()
def transaction(target: Target, state: HostState) -> Generator[PyinfraCommand, None, None]:
    """
    Install everything that is missing, together, and finish what a killed run left unfinished.

    + target: the host as it is wanted
    + state: what was observed on the host
    """
    wanted = wanted_packages(target.settings, state)
    missing = [name for name in wanted if not state.installed(name)]
    ours_is_there = package_is_there(target, state)
    repair = state.dpkg_interrupted or bool(state.unfinished)
    manual = [name for name in wanted if name in state.automatic]
    if ours_is_there and not (missing or repair or manual):
        host.noop("all packages are installed")
        return
    uploaded = ""
    yield StringCommand("install -d -m 755", QuoteString(DEPLOY_STATE))
    if target.repository is not None:
        missing += [] if ours_is_there else [_from_repository(target.repository.version)]
    elif not ours_is_there:
        uploaded = f"{DEPLOY_STATE}/{target.package.name}"
        yield FileUploadCommand(str(target.package), uploaded)
    same_version = (found := state.packages.get(PACKAGE)) is not None and (
        found.version == target.package_version
    )
    yield script(
        _TRANSACTION,
        LOG=TRANSACTION_LOG,
        LOCK_TIMEOUT=str(LOCK_TIMEOUT),
        PACKAGES=" ".join(missing),
        PACKAGE_FILE=uploaded,
        PACKAGE_SHA256=_file_digest(target.package) if uploaded else "",
        PACKAGE_MARK=PACKAGE_MARK,
        REPAIR="yes" if repair else "no",
        UPDATE="yes" if missing or repair else "no",
        REINSTALL="--reinstall" if uploaded and same_version else "",
        DOWNGRADE="--allow-downgrades" if target.repository is not None else "",
        MANUAL=" ".join(manual),
    )


def _from_repository(version: str | None) -> str:
    return PACKAGE if version is None else f"{PACKAGE}={version}"


def script(path: Path, **variables: str) -> StringCommand:
    """A shell script of ours with its variables before it, without comments."""
    lines = path.read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assignments = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return StringCommand("\n".join([*assignments, *code]))


@cache
def _file_digest(path: Path) -> str:
    return digest(path.read_bytes())
