"""An apt repository is trusted once its key has the fingerprint and it has the suite."""

from collections.abc import Callable
from typing import Any

from altpeter_matrix.base.errors import Problem

from ..observe.downloads import Downloadable, SigningKey
from ..observe.host_state import HostState
from . import openpgp
from .repositories import Repository


def checked_key(
    repository: Repository, host: str, state: HostState, ask: Callable[..., Any]
) -> bytes | Problem:
    """The key to trust, and nothing else of the keyring; or why the repository cannot be used.

    ask: gets a fact of the host. A key and an entry that are there already are believed.
    """
    present = state.keyrings.get(repository.keyring)
    if present and openpgp.holds_only(present, repository.key_fingerprint):
        key = present
    else:
        fetched = ask(SigningKey, url=repository.key_url, largest=openpgp.LARGEST)
        try:
            key = openpgp.key_with_fingerprint(fetched or b"", repository.key_fingerprint)
        except openpgp.NoSuchKey as error:
            reason = f" ({error})" if fetched else ""
            return Problem(
                f"{host}: {repository.key_url}",
                f"does not give the host the key {repository.key_fingerprint}{reason}, so what it "
                "signs cannot be trusted",
                f"check {repository.setting} and the host's way to the network",
            )
    release = f"dists/{repository.suite}/InRelease"
    if state.has_file(repository.path, repository.content) or (
        ask(Downloadable, url=f"{repository.uri}/{release}") is True
    ):
        return key
    return Problem(
        f"{host}: {repository.uri}",
        f"does not give the host {release}, so it is no apt repository for this release",
        f"check {repository.setting}.uri and the host's way to the network",
    )
