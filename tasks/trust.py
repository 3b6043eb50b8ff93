"""An apt repository is trusted once its key has the fingerprint and it has the suite."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from altpeter_matrix.base.errors import Problem

from . import apt, openpgp
from .facts import Downloadable, SigningKey
from .files import digest
from .host_state import HostState
from .paths import KEYRING, PACKAGE_KEYRING, PACKAGE_SOURCES, SOURCES
from .repository import SUITE
from .target import Target


@dataclass(frozen=True)
class Source:
    """One apt repository as a host is to use it."""

    setting: str  # what it is called in the inventory
    uri: str
    suite: str
    key_url: str
    key_fingerprint: str
    keyring: str  # where the host keeps its key
    path: str  # where the host keeps its entry …
    content: bytes  # … and the entry


def sources(target: Target, state: HostState) -> Iterator[Source]:
    """The repositories that the deploy has the host use."""
    synapse, own = target.settings.synapse_repository, target.repository
    if content := apt.sources(synapse, state):
        yield Source(
            "synapse_repository", synapse.uri, state.codename, synapse.key_url,
            synapse.key_fingerprint, KEYRING, SOURCES, content,
        )  # fmt: skip
    if own is not None and (content := apt.package_sources(target)):
        yield Source(
            "package_repository", own.uri, SUITE, own.key_url,
            own.key_fingerprint, PACKAGE_KEYRING, PACKAGE_SOURCES, content,
        )  # fmt: skip


def checked_key(
    source: Source, host: str, state: HostState, ask: Callable[..., Any]
) -> bytes | Problem:
    """The key to trust, and nothing else of the keyring; or why the repository cannot be used.

    ask: gets a fact of the host. A key and an entry that are there already are believed.
    """
    present = state.keyrings.get(source.keyring)
    if present and openpgp.holds_only(present, source.key_fingerprint):
        key = present
    else:
        fetched = ask(SigningKey, url=source.key_url)
        try:
            key = openpgp.key_with_fingerprint(fetched or b"", source.key_fingerprint)
        except openpgp.NoSuchKey as error:
            reason = f" ({error})" if fetched else ""
            return Problem(
                f"{host}: {source.key_url}",
                f"does not give the host the key {source.key_fingerprint}{reason}, so what it "
                "signs cannot be trusted",
                f"check {source.setting} and the host's way to the network",
            )
    release = f"dists/{source.suite}/InRelease"
    if state.files.get(source.path) == digest(source.content) or (
        ask(Downloadable, url=f"{source.uri}/{release}") is True
    ):
        return key
    return Problem(
        f"{host}: {source.uri}",
        f"does not give the host {release}, so it is no apt repository for this release",
        f"check {source.setting}.uri and the host's way to the network",
    )
