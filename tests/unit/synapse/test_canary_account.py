"""The canary's account: made once, nobody else's, replaced when it is no more."""

import json
import re
from typing import Any

import pytest

from altpeter_matrix.base.paths import Paths
from altpeter_matrix.synapse import canary_account

from .fake_homeserver import TOO_MANY, Homeserver, homeserver, new_canary, paths, settings_for

__all__ = ["homeserver", "paths"]


def test_the_account_and_its_room_are_used_again(paths: Paths, homeserver: Homeserver) -> None:
    for _ in range(3):
        assert new_canary(paths, homeserver).look(thorough=True) is None
    assert len(homeserver.accounts) == 1
    assert homeserver.asked.count("POST /_matrix/client/v3/createRoom") == 1


def test_nobody_finds_the_account_by_its_name_or_has_its_password(
    paths: Paths, homeserver: Homeserver
) -> None:
    assert new_canary(paths, homeserver).look(thorough=True) is None
    ((name, password),) = homeserver.accounts.items()
    assert re.fullmatch(r"altpeter-matrix-canary-[0-9a-f]{32}", name)
    assert password not in paths.canary.read_text()


@pytest.mark.parametrize(
    "gone",
    [None, (403, {"errcode": "M_USER_SUSPENDED"}), (401, {"errcode": "M_USER_LOCKED"})],
    ids=["deleted", "suspended", "locked"],
)
def test_an_account_that_is_no_more_is_replaced(
    paths: Paths, homeserver: Homeserver, gone: tuple[int, dict[str, Any]] | None
) -> None:
    assert new_canary(paths, homeserver).look(thorough=True) is None
    if gone is None:
        homeserver.tokens.clear()
    else:
        homeserver.barred = dict.fromkeys(homeserver.tokens, gone)
    assert new_canary(paths, homeserver).look(thorough=True) is None
    assert len(homeserver.accounts) == 2


def test_a_token_that_is_never_accepted_is_wrong(paths: Paths, homeserver: Homeserver) -> None:
    homeserver.instead["POST /_matrix/client/v3/createRoom"] = (401, {})
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "does not know the token" in wrong.what


def test_an_account_of_an_older_version_is_deactivated(
    paths: Paths, homeserver: Homeserver
) -> None:
    former = {"name": "altpeter-matrix-canary-abc123", "password": "pw", "room": "!old"}
    paths.canary.write_text(json.dumps(former))
    homeserver.accounts["altpeter-matrix-canary-abc123"] = "pw"
    homeserver.instead["POST /_matrix/client/v3/login"] = TOO_MANY
    settings = settings_for(homeserver)
    canary_account.retire_former(paths, settings)
    assert len(homeserver.accounts) == 2, "strangers were just using up its logins"
    homeserver.instead.clear()
    token = canary_account.read(paths).token
    canary_account.retire_former(paths, settings)
    assert "altpeter-matrix-canary-abc123" not in homeserver.accounts
    assert canary_account.read(paths).token == token and "pw" not in paths.canary.read_text()
    asked = len(homeserver.asked)
    canary_account.retire_former(paths, settings)
    assert len(homeserver.asked) == asked
