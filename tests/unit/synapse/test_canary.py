"""What the canary takes for wrong, and what not."""

from ipaddress import ip_address
from typing import Any

import pytest

from altpeter_matrix.base.paths import Paths

from .fake_homeserver import TOO_MANY, Homeserver, homeserver, new_canary, paths

__all__ = ["homeserver", "paths"]


def test_a_homeserver_that_works_is_asked_for_everything(
    paths: Paths, homeserver: Homeserver
) -> None:
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved and canary.session
    assert len(homeserver.events) == 1
    assert "POST /_matrix/client/v3/login" in homeserver.asked
    assert paths.canary.stat().st_mode & 0o777 == 0o600


def test_it_asks_from_an_address_of_its_own(paths: Paths, homeserver: Homeserver) -> None:
    """The others of this host use up the limit of 127.0.0.1."""
    assert new_canary(paths, homeserver).look(thorough=True) is None
    assert "127.0.0.1" not in homeserver.addresses
    assert all(ip_address(one).is_loopback for one in homeserver.addresses)


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/client/versions",
        "/_matrix/key/v2/server",
        "/_matrix/client/v3/login",
        "/_synapse/admin/v1/register",
        "/_matrix/client/v3/createRoom",
        "/_matrix/client/v3/rooms/",
        "/_matrix/client/v3/sync",
    ],
)
def test_each_wrong_answer_is_noticed(paths: Paths, homeserver: Homeserver, path: str) -> None:
    homeserver.instead[path] = (500, {"error": "Internal server error"})
    canary = new_canary(paths, homeserver)
    wrong = canary.look(thorough=True)
    assert wrong is not None and "answers 500: Internal server error" in wrong.what
    assert not canary.proved


def test_a_message_that_does_not_arrive_is_noticed(paths: Paths, homeserver: Homeserver) -> None:
    homeserver.forgets_messages = True
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "lacks what was just sent" in wrong.what


def test_no_answer_is_noticed(paths: Paths, homeserver: Homeserver) -> None:
    canary = new_canary(paths, homeserver)
    homeserver.shutdown()
    homeserver.server_close()
    wrong = canary.look(thorough=False)
    assert wrong is not None and "does not answer" in wrong.what


def test_too_many_requests_are_neither_wrong_nor_a_proof(
    paths: Paths, homeserver: Homeserver
) -> None:
    homeserver.instead["/_matrix/client/v3/createRoom"] = TOO_MANY
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert not canary.proved


def test_too_many_requests_for_ever_are_wrong_where_they_were_not_before(
    paths: Paths, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altpeter_matrix.synapse.canary._BUSY_WITHIN", 0)
    homeserver.instead["/_matrix/client/v3/createRoom"] = TOO_MANY
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "has answered 429" in wrong.what
    canary = new_canary(paths, homeserver, demanding=False)
    assert canary.look(thorough=True) is None
    assert canary.proved and not canary.session


def test_a_limit_that_strangers_can_use_up_is_never_wrong(
    paths: Paths, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("altpeter_matrix.synapse.canary._BUSY_WITHIN", 0)
    homeserver.instead["POST /_matrix/client/v3/login"] = TOO_MANY
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved and canary.session, "everything else could be asked"
    paths.canary.unlink()
    homeserver.instead["POST /_synapse/admin/v1/register"] = TOO_MANY
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved and not canary.session


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, {"access_token": "x"}), "lets somebody in who does not exist"),
        ((500, {"error": "Internal server error"}), "answers 500"),
        ((404, {}), "answers 404"),
    ],
)
def test_a_login_that_is_broken_is_noticed(
    paths: Paths, homeserver: Homeserver, answer: tuple[int, dict[str, Any]], says: str
) -> None:
    homeserver.instead["POST /_matrix/client/v3/login"] = answer
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and says in wrong.what


@pytest.mark.parametrize("flows", [{}, {"flows": []}, {"flows": {}}])
def test_a_server_without_any_way_to_log_in_is_wrong(
    paths: Paths, homeserver: Homeserver, flows: dict[str, Any]
) -> None:
    homeserver.instead["GET /_matrix/client/v3/login"] = (200, flows)
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "names no way to log in" in wrong.what


def test_what_is_wrong_stays_so_while_asking_again_is_limited(
    paths: Paths, homeserver: Homeserver
) -> None:
    """Each time that a message is refused counts in the limit of messages."""
    send = "PUT /_matrix/client/v3/rooms/"
    canary = new_canary(paths, homeserver)
    homeserver.instead[send] = (500, {"error": "broken"})
    assert "answers 500: broken" in str(canary.look(thorough=True))
    homeserver.instead[send] = TOO_MANY
    assert "answers 500: broken" in str(canary.look(thorough=True))
    assert not canary.proved
    homeserver.instead.clear()
    assert canary.look(thorough=True) is None
    homeserver.instead[send] = TOO_MANY
    assert canary.look(thorough=True) is None


def test_who_does_not_answer_in_time_is_told_from_who_does_not_answer(
    paths: Paths, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = new_canary(paths, homeserver)
    monkeypatch.setattr("altpeter_matrix.synapse.canary_client.TIMEOUT", 0.2)
    homeserver.delay = 1.0
    assert canary.look(thorough=False) is not None and canary.slow
    homeserver.shutdown()
    homeserver.server_close()
    assert canary.look(thorough=False) is not None and not canary.slow


def test_too_many_requests_for_what_is_never_limited_are_wrong(
    paths: Paths, homeserver: Homeserver
) -> None:
    homeserver.instead["/"] = TOO_MANY
    wrong = new_canary(paths, homeserver).look(thorough=True)
    assert wrong is not None and "answers 429: Too Many Requests" in wrong.what


def test_where_passwords_are_off_no_login_is_tried(paths: Paths, homeserver: Homeserver) -> None:
    homeserver.instead["GET /_matrix/client/v3/login"] = (200, {"flows": [{"type": "m.login.sso"}]})
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved and canary.session, "its account needs no password"
    assert "POST /_matrix/client/v3/login" not in homeserver.asked


def test_what_never_worked_is_not_demanded(paths: Paths, homeserver: Homeserver) -> None:
    homeserver.instead["/_matrix/client/v3/createRoom"] = (403, {"error": "consent not given"})
    canary = new_canary(paths, homeserver, demanding=False)
    assert canary.look(thorough=True) is None
    assert canary.proved and not canary.session


def test_what_is_wrong_with_this_host_is_not_laid_at_its_door(
    paths: Paths, homeserver: Homeserver
) -> None:
    (paths.secrets / "registration_shared_secret").unlink()
    canary = new_canary(paths, homeserver)
    assert canary.look(thorough=True) is None
    assert canary.proved
