"""The apt repositories that a host is to use, and what is written there about them."""

from collections.abc import Iterator
from dataclasses import dataclass

from altpeter_matrix.settings.model import SynapseRepository

from ..base.packages import PACKAGE
from ..base.paths import KEYRING, PACKAGE_KEYRING, PACKAGE_SOURCES, SOURCES
from ..inventory.target import Target
from ..observe.host_state import HostState
from . import own_repository, packages


@dataclass(frozen=True)
class Repository:
    """One apt repository as a host is to use it."""

    setting: str  # what it is called in the inventory
    uri: str
    suite: str
    key_url: str
    key_fingerprint: str
    keyring: str  # where the host keeps its key
    path: str  # where the host keeps its entry …
    content: bytes  # … and the entry


def in_use(target: Target, state: HostState) -> Iterator[Repository]:
    """The repositories that the deploy has the host use."""
    synapse, own = target.settings.synapse_repository, target.repository
    if content := synapse_entry(synapse, state):
        yield Repository(
            "synapse_repository", synapse.uri, state.codename, synapse.key_url,
            synapse.key_fingerprint, KEYRING, SOURCES, content,
        )  # fmt: skip
    if own is not None and (content := own_entry(target)):
        yield Repository(
            "package_repository", own.uri, own_repository.SUITE, own.key_url,
            own.key_fingerprint, PACKAGE_KEYRING, PACKAGE_SOURCES, content,
        )  # fmt: skip


def synapse_entry(repository: SynapseRepository, state: HostState) -> bytes | None:
    """The repository in apt's deb822 format (sources.list(5)); None where it is not used."""
    if not packages.uses_upstream(state):
        return None
    return (
        "# Synapse's own repository, written by the pyinfra deploy.\n"
        "Types: deb\n"
        f"URIs: {repository.uri}\n"
        f"Suites: {state.codename}\n"
        "Components: main\n"
        f"Signed-By: {KEYRING}\n"
    ).encode()


def own_entry(target: Target) -> bytes | None:
    """The repository of our own package, in the same format; None: the deploy brings it along."""
    if target.repository is None:
        return None
    source = own_repository.sources(target.repository.uri, PACKAGE_KEYRING)
    return f"# Our own package's repository, written by the pyinfra deploy.\n{source}".encode()


def own_pin(target: Target) -> bytes | None:
    """What keeps the version that the inventory asks for; None: updates install themselves."""
    if target.repository is None or target.repository.version is None:
        return None
    pin = own_repository.pin(PACKAGE, target.repository.version)
    return f"# Written by the pyinfra deploy (`package_repository`).\n{pin}".encode()
