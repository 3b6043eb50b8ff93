"""Runs of deploy.py on hosts that only record what they are told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.fake_deploy import (
    ADDRESS,
    BARE,
    FINGERPRINT,
    SETTINGS_DATA,
    Run,
    answers,
    deployed,
    fake_state,
    package_file,
    run,
)

PASSWORD = "correct horse'; battery"
WITH_MAIL: Mapping[str, Any] = {
    **SETTINGS_DATA,
    "email": {
        "smtp_host": "mail.example.org",
        "username": "matrix",
        "from": "Matrix <matrix@example.org>",
    },
}


REPOSITORY: Mapping[str, str] = {
    "uri": "https://packages.example.org/matrix/",
    "key_fingerprint": FINGERPRINT,
}


@pytest.fixture
def data(tmp_path: Path) -> dict[str, Any]:
    """A host's data in the inventory."""
    return {"matrix": dict(SETTINGS_DATA), "package": str(package_file(tmp_path))}


def deploy_bare(data: Mapping[str, Any], *, yes: bool = True, **sections: str) -> Run:
    with fake_state({"bare": data}, yes=yes) as state:
        for host in state.inventory:
            answers(host, {**BARE, **sections})
        return run(state, execute=yes)


def deploy_again(data: Mapping[str, Any], *, yes: bool = True, **sections: str) -> Run:
    """On a host where everything is in order but for these sections."""
    with fake_state({"deployed": data}, yes=yes) as state:
        for host in state.inventory:
            answers(host, {**deployed(host), **sections})
        return run(state, execute=yes)


def deploy_changed(data: Mapping[str, Any], *, responses: Any = None, **changes: Any) -> Run:
    """On a host that is as `data` want it, after these changes of its settings."""
    with fake_state({"deployed": data}) as state:
        [host] = state.inventory
        before = deployed(host)
    changed = {**data, "matrix": {**data["matrix"], **changes}}
    with fake_state({"deployed": changed}) as state:
        [host] = state.inventory
        names = "\n".join(f"{name} {ADDRESS}" for name in changed["matrix"].get("aliases", ()))
        answers(host, {**before, "names": f"{BARE['names']}\n{names}"}, **(responses or {}))
        return run(state)


def data_with_repository(**repository: Any) -> dict[str, Any]:
    """The same for a host that gets our package from a repository."""
    return {"matrix": dict(SETTINGS_DATA), "package_repository": {**REPOSITORY, **repository}}
